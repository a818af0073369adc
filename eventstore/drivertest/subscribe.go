package drivertest

import (
	"context"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func g8() clause {
	return clause{id: "G8", text: "Catch-up and live are one stream: no event is lost or repeated at the switch.",
		cases: []testCase{
			{name: "subscribers that come to the head again and again", run: subscribeAtTheHead},
		}}
}

// subscriber follows the log and tells which positions it is handed.
type subscriber struct {
	*task
	handed    chan int64
	positions []int64
}

func (p *probe) subscribe(store *eventstore.Store) *subscriber {
	s := &subscriber{handed: make(chan int64)}
	s.task = p.start(func(ctx context.Context) error {
		for e, err := range store.Subscribe(ctx, 0, nil) {
			if err != nil {
				return err
			}
			select {
			case s.handed <- e.Position:
			case <-ctx.Done():
			}
		}
		return nil
	})
	return s
}

// until waits until the subscriber was handed n events.
func (s *subscriber) until(n int) error {
	for len(s.positions) < n {
		select {
		case position := <-s.handed:
			s.positions = append(s.positions, position)
		case <-s.done:
			return fmt.Errorf("after %d of %d events: %w", len(s.positions), n, s.err)
		}
	}
	return nil
}

// subscribeAtTheHead lets the writer run ahead of the subscribers, for longer and longer, and then lets them catch up.
func subscribeAtTheHead(p *probe) {
	store, n := p.portable(), 100
	p.append(named("a"), driver.Any, events(n)...)
	subscribers := []*subscriber{p.subscribe(store), p.subscribe(store)}
	for round := range 20 {
		for range round {
			_, err := store.Append(p.ctx, named("a"), driver.Any, notes(1)...)
			p.ok(err, "append")
			n++
		}
		for i, s := range subscribers {
			p.ok(s.until(n), "subscriber %d", i+1)
		}
	}
	var want []int64
	for _, r := range p.log() {
		want = append(want, r.Position)
	}
	for i, s := range subscribers {
		p.equal(want, s.positions, "positions handed to subscriber %d", i+1)
	}
}
