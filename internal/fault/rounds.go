package fault

import (
	"os"
	"testing"
	"time"
)

// TortureEnv is the environment variable that makes tests go on for longer: about how long each is to last, as "60s".
const TortureEnv = "TIDEMARK_TORTURE"

// Rounds returns how often a test does what it does n times in some five seconds: n, or more in a torture.
func Rounds(tb testing.TB, n int) int {
	tb.Helper()
	text := os.Getenv(TortureEnv)
	if text == "" {
		return n
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		tb.Fatalf("%s: %v", TortureEnv, err)
	}
	return max(n, int(int64(n)*int64(length)/int64(5*time.Second)))
}
