// Package torture says how long the tests may go on that get better with time, and holds those of them that concern every
// driver: how much memory, how many goroutines and how much patience things take.
package torture

import (
	"os"
	"testing"
	"time"
)

// Env names the environment variable with the length of each test that has one, as "60s". Without it they are short.
const Env = "TIDEMARK_TORTURE"

// Length returns how long a test is to go on: short, unless Env says otherwise.
func Length(tb testing.TB, short time.Duration) time.Duration {
	tb.Helper()
	text := os.Getenv(Env)
	if text == "" {
		return short
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		tb.Fatalf("%s is not a duration as 60s: %q", Env, text)
	}
	return d
}

// Rounds returns how often a test does what it does n times in some five seconds: n, or more in a torture.
func Rounds(tb testing.TB, n int) int {
	tb.Helper()
	const short = 5 * time.Second
	return max(n, int(int64(n)*int64(Length(tb, short))/int64(short)))
}

// Size returns how large a test is to be: large where Env is set.
func Size(small, large int) int {
	if Long() {
		return large
	}
	return small
}

// Long reports whether Env is set.
func Long() bool { return os.Getenv(Env) != "" }
