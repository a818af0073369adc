package drivertest

import (
	"context"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// rereadWhileWriting checks that what was read up to some position is what stands there for ever.
func rereadWhileWriting(p *probe) {
	h := p.newHammer()
	var readers []*task
	looks := make([][]*follower, len(h.handles))
	for i, reader := range h.handles {
		readers = append(readers, p.start(func(ctx context.Context) error {
			return h.read(ctx, func() error {
				look := newFollower()
				looks[i] = append(looks[i], look)
				return look.toHead(ctx, reader.drv)
			})
		}))
	}
	h.write()
	all := h.check()
	for i, r := range readers {
		r.wait("reader %d", i+1)
		for _, look := range looks[i] {
			n := 0
			for n < len(all) && all[n].Position <= look.q.After {
				n++
			}
			p.sameRecords(all[:n], look.records, "what was read up to position %d while others wrote, compared with "+
				"what stands there in the end", look.q.After)
		}
	}
}

func g2() clause {
	return clause{id: "G2", text: "Every committed event is handed out exactly once to a reader that continues from Page.Next.",
		cases: []testCase{
			{name: "readers with filters and small pages, while writers write", run: followWhileWriting},
			{name: "every size of page", run: everyPageSize},
			{name: "a page that ends where the head was before", run: endsAtAnEarlierHead},
		}}
}

// endsAtAnEarlierHead: a reader goes on for as long as Next is below Head, and rests where both are the same.
func endsAtAnEarlierHead(p *probe) {
	handles := p.handlePair()
	p.append(named("a"), driver.NoStream, events(3)...)
	p.equal(3, len(p.log()), "events in the log")
	handles[1].append(named("b"), driver.NoStream, events(1)...)
	page, err := readPage(p.ctx, p.drv, driver.AllQuery{Limit: 3, MaxBytes: manyBytes})
	p.ok(err, "read 3 of 4 events")
	p.equal(3, len(page.Records), "events in a page of 3")
	p.that(page.Head > page.Next, "a page that ends at position %d says that this is the head, and there is an event more", page.Next)
}

func followWhileWriting(p *probe) {
	h := p.newHammer()
	queries := []driver.AllQuery{
		{Limit: 3}, {Limit: 1, Types: []string{"odd"}}, {Limit: 7, StreamTypes: []string{"shared"}},
		{Limit: plenty, Types: []string{"even"}, StreamTypes: []string{"note"}},
	}
	followers, readers := make([]*follower, len(queries)), make([]*task, len(queries))
	for i, q := range queries {
		q.MaxBytes = manyBytes
		followers[i] = &follower{q: q}
		drv := h.handles[i%len(h.handles)].drv
		readers[i] = p.start(func(ctx context.Context) error {
			return h.read(ctx, func() error { return followers[i].toHead(ctx, drv) })
		})
	}
	h.write()
	all := h.check()
	for i, q := range queries {
		readers[i].wait("reader %d", i+1)
		p.sameRecords(filter(all, q), followers[i].records, "what reader %d (limit %d, types %q, stream types %q) got "+
			"while others wrote, compared with the log", i+1, q.Limit, q.Types, q.StreamTypes)
	}
}

func everyPageSize(p *probe) {
	const n = 9
	for range n {
		p.append(named("a"), driver.Any, events(1)...)
	}
	all := p.log()
	p.equal(n, len(all), "events in the log")
	for limit := 1; limit <= n+1; limit++ {
		f := follower{q: driver.AllQuery{Limit: limit, MaxBytes: manyBytes}}
		p.ok(f.toHead(p.ctx, p.drv), "read the log, %d at a time", limit)
		p.sameRecords(all, f.records, "the log, read %d at a time", limit)
		f = follower{q: driver.AllQuery{Limit: plenty, MaxBytes: limit}}
		p.ok(f.toHead(p.ctx, p.drv), "read the log, %d bytes at a time", limit)
		p.sameRecords(all, f.records, "the log, read %d bytes at a time", limit)
	}
}
