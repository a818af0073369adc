package crash_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/torture"
)

// Of two processes one is halted for longer than its lease lasts, while it does who knows what, and then goes on as if
// nothing had been.
func TestAProcessThatIsHaltedAndGoesOnSpoilsNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, database string) {
		store, _ := open(t.Context(), database) // so that the two don't both make the tables
		require.NoError(t, store.Close())
		two := []*victim{startVictim(t, database), startVictim(t, database)}
		acknowledged := map[string]bool{}
		for i := range torture.Rounds(t, 3) {
			takeFrom(t, two, 20, acknowledged)
			halted := two[i%2]
			halted.signal(syscall.SIGSTOP)
			takeFor(two, 800*time.Millisecond, acknowledged)
			halted.signal(syscall.SIGCONT)
		}
		takeFrom(t, two, 20, acknowledged)
		for _, v := range two {
			v.signal(syscall.SIGKILL)
		}
		for _, v := range two {
			require.ErrorContains(t, v.end(acknowledged), "signal: killed", v.complaints())
		}
		t.Logf("%d events were acknowledged", len(acknowledged))
		requireWhole(t, database, acknowledged)
	})
}

// takeFrom takes lines of both until each has said something and there are enough.
func takeFrom(t *testing.T, two []*victim, enough int, acknowledged map[string]bool) {
	t.Helper()
	for n, said := 0, [2]bool{}; n < enough || !said[0] || !said[1]; n++ {
		var line string
		ok := false
		select {
		case line, ok = <-two[0].lines:
			said[0] = true
		case line, ok = <-two[1].lines:
			said[1] = true
		}
		require.True(t, ok, "%s%s", two[0].complaints(), two[1].complaints())
		acknowledged[line] = true
	}
}

// takeFor takes what comes for a while.
func takeFor(two []*victim, d time.Duration, acknowledged map[string]bool) {
	for over := time.After(d); ; {
		select {
		case line := <-two[0].lines:
			acknowledged[line] = true
		case line := <-two[1].lines:
			acknowledged[line] = true
		case <-over:
			return
		}
	}
}
