package eventstore

import (
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// pace finds out whether a commit waits for the disk or the network rather than for a processor. The quickest of some
// small flights tells: a busy processor makes some of them late, a slow disk all of them.
type pace struct {
	slow     bool
	noted    int
	quickest time.Duration
}

const (
	paceWindow    = 32 // flights after which it makes up its mind
	paceMaxEvents = 64 // in a flight that counts: more of them keep a processor busy for long
)

// note takes in how long a flight took.
func (p *pace) note(flight []*queued, took time.Duration, limits *driver.Batching) {
	if limits.DirectIfSlow == 0 || !telling(flight, limits.DirectIfSlow) {
		return
	}
	if p.noted == 0 || took < p.quickest {
		p.quickest = took
	}
	if p.noted++; p.noted == paceWindow {
		p.slow, p.noted = p.quickest > limits.Slow, 0
	}
}

// telling reports whether a flight was small, and had something to commit.
func telling(flight []*queued, most int) bool {
	events, stored := 0, false
	for _, q := range flight {
		events += q.events
		stored = stored || q.outcome.Err == nil && slices.ContainsFunc(q.outcome.Receipts, stores)
	}
	return stored && len(flight) <= most && events <= paceMaxEvents
}

func stores(r driver.Receipt) bool { return r.Position > 0 }
