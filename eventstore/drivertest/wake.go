package drivertest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func g7() clause {
	transactional := []need{waiter, transactor}
	return clause{id: "G7", text: "A subscriber waiting at the head is woken by a commit: in the same process within milliseconds, " +
		"from another process without waiting for the poll interval where the driver has a Waiter; a lost notification costs " +
		"at most one poll interval. When idle it costs no busy loop.",
		cases: []testCase{
			{name: "a subscriber is woken by a commit of the same process", run: subscriberIsWoken},
			{name: "a watcher is woken when it begins to hear", needs: []need{waiter}, run: wokenAtFirst},
			{name: "a reader that reads only when woken gets every commit", needs: []need{waiter},
				run: func(p *probe) { followOnWake(p, p.handle) }},
			{name: "commits through another handle wake as well", needs: []need{waiter, reopen},
				run: func(p *probe) { followOnWake(p, p.another()) }},
			{name: "the commit of a transaction wakes", needs: transactional, run: transactionWakes},
			{name: "the rollback of what held up others wakes", needs: append(transactional, manyWriters), run: rollbackWakes},
			{name: "a batch of commits wakes", needs: []need{waiter, batcher}, run: batchWakes},
			{name: "every watcher is woken", needs: []need{waiter}, run: everyWatcherIsWoken},
			{name: "a commit while a watcher is being woken wakes it again", needs: []need{waiter}, run: wokenAmidWake},
			{name: "watching ends with its context", needs: []need{waiter}, run: watchingEnds},
			{name: "nobody is woken all the time while nothing is committed", needs: []need{waiter}, run: idleIsQuiet},
		}}
}

// subscriberIsWoken can't pass by polling: the poll interval is longer than the case may take. Until the driver has begun to
// hear, the store wakes its readers by itself, so it goes on for longer than that takes.
func subscriberIsWoken(p *probe) {
	store := p.portable()
	s := p.subscribe(store)
	for n, began := 1, time.Now(); n <= 20 || time.Since(began) < 200*time.Millisecond; n++ {
		_, err := store.Append(p.ctx, named("a"), driver.Any, notes(1)...)
		p.ok(err, "append")
		p.ok(s.until(n), "wait for the event of append %d", n)
	}
}

// watcher hears of commits as a waiting reader does.
type watcher struct {
	*task
	cancel context.CancelFunc
	wakes  chan struct{} // of one place: wakes that come before the reader looks count as one
}

// watch begins to watch and waits for the first wake.
func (p *probe) watch() *watcher {
	ctx, cancel := context.WithCancel(p.ctx)
	w := &watcher{cancel: cancel, wakes: make(chan struct{}, 1)}
	w.task = p.start(func(context.Context) error {
		return p.drv.(driver.Waiter).Watch(ctx, func() {
			select {
			case w.wakes <- struct{}{}:
			default:
			}
		})
	})
	w.woken("when it begins to watch")
	return w
}

// woken waits for a wake and ends the case if none comes.
func (w *watcher) woken(when string) {
	select {
	case <-w.wakes:
	case <-w.done:
		w.p.fail("a watcher was not woken %s: Watch returned %s", when, brief(w.err))
	case <-w.p.ctx.Done():
		w.p.fail("a watcher was not woken %s", when)
	}
}

func wokenAtFirst(p *probe) {
	for range 3 {
		p.watch()
	}
	p.append(named("a"), driver.Any, events(1)...)
	p.watch()
}

// followOnWake reads the log only when it was woken, so a commit that wakes nobody, or too early, is never seen.
func followOnWake(p *probe, writer *handle) {
	w, reader := p.watch(), newFollower()
	for n := 1; n <= 10; n++ {
		writer.append(named("a"), driver.Any, events(1)...)
		w.until(reader, n, "by a commit")
	}
	const more = 20
	p.together(racers, func(ctx context.Context, i int) error {
		for range more {
			if _, err := writer.commit(ctx, write(named("%d", i), driver.Any, events(1)...)); err != nil {
				return err
			}
		}
		return nil
	})
	w.until(reader, 10+racers*more, "by many commits at once")
}

// until reads the log at each wake until n events are there.
func (w *watcher) until(reader *follower, n int, when string) {
	for len(reader.records) < n {
		w.woken(when)
		w.p.ok(reader.toHead(w.p.ctx, w.p.drv), "read the log when woken")
	}
}

func transactionWakes(p *probe) {
	w, reader := p.watch(), newFollower()
	for n := 1; n <= 10; n++ {
		tx := p.begin(p.handle)
		tx.append(named("a"), driver.Any, events(1)...)
		tx.commit()
		w.until(reader, n, "by the commit of a transaction")
	}
}

// rollbackWakes has events appear by a rollback: whoever looks when they are committed finds the log held up.
func rollbackWakes(p *probe) {
	w, reader := p.watch(), newFollower()
	for n := 1; n <= 10; n++ {
		tx := p.begin(p.handle)
		tx.append(named("a"), driver.Any, events(1)...)
		p.append(named("b"), driver.Any, events(1)...)
		w.woken("by a commit")
		p.ok(reader.toHead(p.ctx, p.drv), "read the log when woken")
		tx.rollback()
		w.until(reader, n, "by the rollback of a transaction that held up the log")
	}
}

func batchWakes(p *probe) {
	w, reader, o := p.watch(), newFollower(), p.newOracle()
	for n := 1; n <= 10; n++ {
		o.batch([]driver.Write{write(named("a"), driver.Any, events(1)...)}, []driver.Write{write(named("b"), driver.Any, events(1)...)})
		w.until(reader, 2*n, "by a batch of commits")
	}
}

func everyWatcherIsWoken(p *probe) {
	watchers := []*watcher{p.watch(), p.watch(), p.watch()}
	for n := 1; n <= 5; n++ {
		p.append(named("a"), driver.Any, events(1)...)
		for _, w := range watchers {
			w.until(newFollower(), n, "by a commit, with three watchers")
		}
	}
	watchers[0].cancel()
	<-watchers[0].done
	p.append(named("a"), driver.Any, events(1)...)
	watchers[2].until(newFollower(), 6, "by a commit, after another watcher has gone")
}

// wokenAmidWake has somebody commit before wake returns: a driver that begins to listen for the next commit only then has
// missed this one. A driver may wake in the midst of a commit, which then waits for this one, so wake goes on after a moment.
func wokenAmidWake(p *probe) {
	const commits, moment = 3, 300 * time.Millisecond
	wakes, begun := make(chan struct{}, 1000), atomic.Int64{}
	watching := p.start(func(ctx context.Context) error {
		return p.drv.(driver.Waiter).Watch(ctx, func() {
			wakes <- struct{}{}
			if begun.Add(1) > commits {
				return
			}
			committed := p.start(func(ctx context.Context) error {
				_, err := p.commit(ctx, write(named("a"), driver.Any, events(1)...))
				return err
			})
			select {
			case <-committed.done:
			case <-time.After(moment):
			}
		})
	})
	for n := range commits + 1 {
		select {
		case <-wakes:
		case <-watching.done:
			p.fail("a watcher was not woken again: Watch returned %s", brief(watching.err))
		case <-p.ctx.Done():
			p.fail("a watcher was not woken by a commit that came while it was woken for time %d", n)
		}
	}
}

func watchingEnds(p *probe) {
	w := p.watch()
	w.cancel()
	select {
	case <-w.done:
	case <-p.ctx.Done():
		p.fail("Watch does not return when its context ends")
	}
	p.is(w.err, context.Canceled, "Watch, after its context was cancelled")
	err := p.drv.(driver.Waiter).Watch(p.ended(), func() {})
	p.is(err, context.Canceled, "Watch with a context that has ended")
}

// idleIsQuiet is the one case that lets time pass: it looks for what must not happen. A slow machine can only make it
// pass.
func idleIsQuiet(p *probe) {
	const most, window = 20, 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(p.ctx, window)
	defer cancel()
	wakes := 0
	err := p.drv.(driver.Waiter).Watch(ctx, func() {
		if wakes++; wakes > most {
			cancel()
		}
	})
	p.that(wakes <= most, "a watcher was woken %d times within %v, while nothing was committed", wakes, window)
	p.that(errors.Is(err, context.DeadlineExceeded), "watch for %v: %w", window, err)
}
