package aggregatetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// list prints events as the diff does.
func list(events []any) string {
	if len(events) == 0 {
		return "  no events"
	}
	return "  " + strings.Join(lines(events, asJSON), "\n  ")
}

// diff prints both lists of events, a field a line, marking what only one of them has.
func diff(expected, recorded []any) string {
	for _, print := range []func(any) string{asJSON, asGo} {
		a, b := lines(expected, print), lines(recorded, print)
		if !slices.Equal(a, b) {
			return strings.Join(lineDiff(a, b), "\n")
		}
	}
	return list(recorded) + "\n  (both print alike, so they differ in what pointers point to, or in functions)"
}

func lines(events []any, print func(any) string) []string {
	var all []string
	for _, e := range events {
		all = append(all, strings.Split(print(e), "\n")...)
	}
	return all
}

func asJSON(event any) string {
	text, err := json.MarshalIndent(event, "", "  ")
	if err != nil {
		return asGo(event)
	}
	return fmt.Sprintf("%T %s", event, text)
}

// asGo shows what JSON leaves out: unexported fields, the types of numbers, nil slices.
func asGo(event any) string { return fmt.Sprintf("%#v", event) }

// lineDiff marks the lines of a longest common subsequence with two spaces, and the others with - (a) or + (b).
func lineDiff(a, b []string) []string {
	common := commonLengths(a, b)
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}

// commonLengths tells for each i and j how long the longest common subsequence of a[i:] and b[j:] is.
func commonLengths(a, b []string) [][]int {
	common := make([][]int, len(a)+1)
	common[len(a)] = make([]int, len(b)+1)
	for i := len(a) - 1; i >= 0; i-- {
		common[i] = make([]int, len(b)+1)
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}
