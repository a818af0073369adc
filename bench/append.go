package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// appender stores events in a stream that the caller knows to be at a version.
type appender interface {
	append(ctx context.Context, stream string, version int64, events []event) error
	count(ctx context.Context) (int, error)
}

// perStream is how many appends a stream gets.
const perStream = 10

// load is what an append contest does: so many workers, each of which appends so many events at a time.
type load struct {
	workers, events int
	turn            time.Duration
}

// appending is an appender in a contest.
type appending struct {
	appender
	load
	streams atomic.Int64 // numbers them, over all rounds
	stored  int          // events, over all rounds
}

func appendEntrant(name string, k kind, a appender, l load) entrant {
	g := &appending{appender: a, load: l}
	return entrant{name: name, kind: k, turn: g.turnFor}
}

// turnFor appends until the time is over and checks that everything is there.
func (g *appending) turnFor(ctx context.Context) (sample, error) {
	workers := make([]appendWorker, g.workers)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { workers[i].run(ctx, g, began.Add(g.turn)) })
	}
	wg.Wait()
	took := time.Since(began)
	var all []time.Duration
	for i := range workers {
		if workers[i].err != nil {
			return sample{}, workers[i].err
		}
		all = append(all, workers[i].took...)
	}
	n := len(all) * g.load.events
	g.stored += n
	s := perSecond(n, took)
	s.p50, s.p99 = percentile(all, 0.5), percentile(all, 0.99)
	return s, verify(ctx, g.appender, g.stored)
}

func verify(ctx context.Context, a interface {
	count(ctx context.Context) (int, error)
}, want int) error {
	got, err := a.count(ctx)
	if err == nil && got != want {
		err = fmt.Errorf("%d events were acknowledged, %d are stored", want, got)
	}
	return err
}

// appendWorker appends to one stream after the other.
type appendWorker struct {
	took []time.Duration
	err  error
}

func (w *appendWorker) run(ctx context.Context, g *appending, until time.Time) {
	for time.Now().Before(until) && w.err == nil {
		n := int(g.streams.Add(1))
		events := newEvents(n*perStream*g.load.events, perStream*g.load.events)
		for i := 0; i < perStream && w.err == nil && time.Now().Before(until); i++ {
			at := i * g.load.events
			began := time.Now()
			w.err = g.append(ctx, strconv.Itoa(n), int64(at), events[at:at+g.load.events])
			w.took = append(w.took, time.Since(began))
		}
	}
}
