package main

import (
	"fmt"
	"slices"
	"time"
)

// spread is a median with the lowest and the highest value beside it.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return spread{median: middle(sorted), low: sorted[0], high: sorted[len(sorted)-1]}
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func values(samples []sample) []float64 {
	list := make([]float64, len(samples))
	for i, s := range samples {
		list[i] = s.value
	}
	return list
}

// ratio compares two entrants round by round.
func ratio(a, b []sample) spread {
	var list []float64
	for i := range min(len(a), len(b)) {
		if b[i].value > 0 {
			list = append(list, a[i].value/b[i].value)
		}
	}
	return spreadOf(list)
}

// String shows a ratio, if there is one.
func (s spread) String() string {
	if s.high == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", s.median, s.low, s.high)
}

// percentile returns the p-th part of durations, which it sorts.
func percentile(list []time.Duration, p float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(p*float64(len(list))))]
}

// median of a call's duration over all rounds.
func medianOf(samples []sample, of func(sample) time.Duration) time.Duration {
	var list []time.Duration
	for _, s := range samples {
		list = append(list, of(s))
	}
	return percentile(list, 0.5)
}
