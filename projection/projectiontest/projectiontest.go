// Package projectiontest tests a projection's handlers: these events are handed to them, and then the test looks at the
// read model.
//
//	f := projectiontest.New(t, registry, sales.Projection())
//	f.Feed(ctx, eventstore.StreamID{Type: "order", ID: "42"}, order.Paid{Cents: 1999})
//
// There is no runner and no waiting: Feed returns when the handlers have. The events go through the registry's codecs and
// through the upcasters on the way, as they do when they are stored and read. If the handlers write through sqltx.From,
// call Feed inside sqltx.In, with the context that it hands out.
package projectiontest

import (
	"context"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/serializer"
)

// TB is the part of [testing.TB] that a Feeder uses. Fatalf does not return.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Feeder hands events to the handlers of a projection, with positions and versions that grow as in a log. It is not safe
// for concurrent use.
type Feeder struct {
	t          TB
	p          *projection.Projection
	store      *eventstore.Store
	position   int64
	version    int
	rebuilding bool
	last       []eventstore.Event
}

// New returns a feeder of an empty log. The test fails if the registry or the projection's set-up has a mistake.
func New(t TB, reg *serializer.Registry, p *projection.Projection) *Feeder {
	t.Helper()
	return NewWith(t, reg, p, nil)
}

// NewWith is New with options for the log: upcasters, a clock for the time that events are recorded at.
func NewWith(t TB, reg *serializer.Registry, p *projection.Projection, opts *eventstore.Options) *Feeder {
	t.Helper()
	store, err := eventstore.New(memory.New(), reg, opts)
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	f := &Feeder{t: t, p: p, store: store, version: 1}
	if err := f.hand(context.Background(), nil); err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	return f
}

// Feed appends payloads to a stream of the feeder's log and hands the events to the handlers, in one batch. Those that the
// projection has no handler for are passed by. The test fails if a handler does.
func (f *Feeder) Feed(ctx context.Context, stream eventstore.StreamID, payloads ...any) {
	f.t.Helper()
	if err := f.Try(ctx, stream, payloads...); err != nil {
		f.t.Fatalf("projectiontest: %v", err)
	}
}

// Try is Feed that returns the handler's error; errors.Is finds it. The events count as handled all the same.
func (f *Feeder) Try(ctx context.Context, stream eventstore.StreamID, payloads ...any) error {
	f.t.Helper()
	_, err := f.store.Append(context.WithoutCancel(ctx), stream, eventstore.Any, eventstore.Events(payloads...)...)
	if err != nil {
		f.t.Fatalf("projectiontest: %v", err)
	}
	page, err := f.store.ReadAll(context.WithoutCancel(ctx), f.position, &eventstore.ReadOptions{Limit: len(payloads) + 1})
	if err != nil {
		f.t.Fatalf("projectiontest: %v", err)
	}
	f.position = page.Next
	return f.hand(ctx, page.Events)
}

// Again hands the last batch out once more, as happens after a crash to what is handled at least once: handlers that
// write elsewhere than in the store's database should take it. The test fails if a handler does.
func (f *Feeder) Again(ctx context.Context) {
	f.t.Helper()
	if err := f.hand(ctx, f.last); err != nil {
		f.t.Fatalf("projectiontest: %v", err)
	}
}

// Rebuild has the handlers called, from now on, for a version that is being built: projection.Version tells them the
// number, and handlers of SideEffect are silent.
func (f *Feeder) Rebuild(version int) { f.version, f.rebuilding = version, true }

// Switch has the handlers called, from now on, for a version that is the live one.
func (f *Feeder) Switch(version int) { f.version, f.rebuilding = version, false }

func (f *Feeder) hand(ctx context.Context, events []eventstore.Event) error {
	f.last = events
	return f.p.Handle(ctx, f.store, f.version, f.rebuilding, events...)
}
