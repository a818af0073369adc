package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-go/tidemark/projection"
)

const (
	nameAppend     = "append alone"
	nameSubscriber = "Tidemark, same process"
	nameProjection = "Tidemark, a projection"
	nameFollower   = "Tidemark, another process"
	nameNotify     = "bare NOTIFY"
	subscribers    = 4
	pingGap        = 25 * time.Millisecond
)

func latencies() []contest {
	var list []contest
	for _, dbms := range databases() {
		list = append(list, contest{
			name:  dbms + "/latency",
			title: title(dbms) + ": from the append's return to the handler",
			unit:  "µs",
			lower: true,
			enter: func(ctx context.Context, b *bench) ([]entrant, error) { return b.enterLatency(ctx, dbms) },
		})
	}
	return list
}

func (b *bench) enterLatency(ctx context.Context, dbms string) ([]entrant, error) {
	t, err := b.on(ctx, dbms)
	if t == nil || err != nil {
		return nil, err
	}
	w := &pinger{t: t, pings: b.scale.pings}
	b.note("%d events, one every %v; %d subscribers in the same process", w.pings, pingGap, subscribers)
	list := []entrant{
		{name: nameAppend, kind: ours, turn: w.appendAlone},
		{name: nameSubscriber, kind: ours, turn: w.sameProcess},
		{name: nameProjection, kind: ours, turn: func(ctx context.Context) (sample, error) { return w.projected(ctx, b) }},
		{name: nameFollower, kind: ours, turn: w.otherProcess},
	}
	if dbms == "sqlite" {
		return list, nil
	}
	return append(list, entrant{name: nameNotify, kind: limit, turn: w.bareNotify}), nil
}

// pinger appends an event now and then, and measures when it arrives.
type pinger struct {
	t       *tidemark
	pings   int
	streams int
}

// ping appends one event and returns when that began and ended.
func (w *pinger) ping(ctx context.Context) (began, ended time.Time, err error) {
	w.streams++
	began = time.Now()
	err = w.t.append(ctx, strconv.Itoa(w.streams), 0, []event{newEvent(w.streams)})
	return began, time.Now(), err
}

func latencySample(took []time.Duration) sample {
	p50, p99 := percentile(took, 0.5), percentile(took, 0.99)
	return sample{value: float64(p50) / 1e3, p50: p50, p99: p99}
}

func (w *pinger) appendAlone(ctx context.Context) (sample, error) {
	var took []time.Duration
	for range w.pings {
		began, ended, err := w.ping(ctx)
		if err != nil {
			return sample{}, err
		}
		took = append(took, ended.Sub(began))
		time.Sleep(pingGap)
	}
	return latencySample(took), verify(ctx, w.t, w.streams)
}

// receive measures pings whose arrival at every one of n readers comes over a channel, as wall-clock time.
func (w *pinger) receive(ctx context.Context, n int, arrivals <-chan time.Time) (sample, error) {
	var took []time.Duration
	for range w.pings {
		_, ended, err := w.ping(ctx)
		if err != nil {
			return sample{}, err
		}
		for range n {
			select {
			case at := <-arrivals:
				took = append(took, max(0, at.Sub(ended)))
			case <-ctx.Done():
				return sample{}, ctx.Err()
			case <-time.After(10 * time.Second):
				return sample{}, errors.New("an event has not arrived within 10 seconds")
			}
		}
		time.Sleep(pingGap)
	}
	return latencySample(took), verify(ctx, w.t, w.streams)
}

func (w *pinger) sameProcess(ctx context.Context) (sample, error) {
	head, err := w.t.store.Head(ctx)
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	arrivals := make(chan time.Time, subscribers)
	var wg sync.WaitGroup
	for range subscribers {
		wg.Go(func() {
			for _, err := range w.t.store.Subscribe(ctx, head, nil) {
				if err == nil {
					arrivals <- time.Now()
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // until they wait at the head
	s, err := w.receive(ctx, subscribers, arrivals)
	cancel()
	wg.Wait()
	return s, err
}

// projected measures until a handler is called in its transaction.
func (w *pinger) projected(ctx context.Context, b *bench) (sample, error) {
	b.made++
	arrivals := make(chan time.Time, 1)
	name := fmt.Sprintf("bench-%d", b.made)
	p := projection.New(name, &projection.Options{From: projection.FromNow()})
	projection.On(p, func(context.Context, projection.Event[lineAdded]) error {
		arrivals <- time.Now()
		return nil
	})
	runner, err := projection.NewRunner(w.t.store, nil, p)
	if err != nil {
		return sample{}, err
	}
	head, err := w.t.store.Head(ctx)
	if err != nil {
		return sample{}, err
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(running) }()
	var s sample
	if err = runner.WaitFor(ctx, name, head); err == nil {
		s, err = w.receive(ctx, 1, arrivals)
	}
	cancel()
	return s, errors.Join(err, <-ended)
}

// otherProcess has a copy of this program follow the log.
func (w *pinger) otherProcess(ctx context.Context) (sample, error) {
	head, err := w.t.store.Head(ctx)
	if err != nil {
		return sample{}, err
	}
	f, err := startFollower(ctx, w.t.place, head)
	if err != nil {
		return sample{}, err
	}
	s, err := w.receive(ctx, 1, f.arrivals)
	return s, errors.Join(err, f.stop())
}

// bareNotify measures a NOTIFY from its call to its arrival at another connection.
func (w *pinger) bareNotify(ctx context.Context) (sample, error) {
	l := pq.NewListener(w.t.place, time.Second, time.Second, nil)
	defer l.Close()
	if err := l.Listen("bench"); err != nil {
		return sample{}, err
	}
	var took []time.Duration
	for i := range w.pings {
		began := time.Now()
		if _, err := w.t.raw.ExecContext(ctx, "SELECT pg_notify('bench', $1)", strconv.Itoa(i)); err != nil {
			return sample{}, err
		}
		<-l.Notify
		took = append(took, time.Since(began))
		time.Sleep(pingGap)
	}
	return latencySample(took), nil
}
