package main

import (
	"strconv"
	"time"
)

// Names that the targets refer to.
const (
	nameTidemark = "Tidemark"
	nameTemplate = "max(version) template"
	nameRawOne   = "raw, 1 row/transaction"
)

func databases() []string { return []string{"postgres", "sqlite"} }

func title(dbms string) string {
	if dbms == "sqlite" {
		return "SQLite"
	}
	return "Postgres"
}

func contests() []contest {
	var all []contest
	for _, list := range [][]contest{postgresAppends(), sqliteAppends(), loads(), logReads(), projections(), latencies(),
		growths(), losses(), imports()} {
		all = append(all, list...)
	}
	return all
}

// thousands groups digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short shows a duration by three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < time.Millisecond:
		return strconv.FormatFloat(float64(d)/1e3, 'f', 0, 64) + " µs"
	case d < time.Second:
		return strconv.FormatFloat(float64(d)/1e6, 'f', 2, 64) + " ms"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
}
