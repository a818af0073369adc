package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// ear listens for the notifications of other processes on a connection of its own, until it is closed or the connection
// is lost.
type ear struct {
	news      *news
	users     int // guarded by news.mu
	cancel    context.CancelCauseFunc
	listening chan struct{} // closed once it hears
	ended     chan struct{} // closed when it does not any more, for the reason err
	err       error
}

// pings find out that a silent connection is dead.
type pings struct{ interval, patience time.Duration }

func defaultPings() pings { return pings{interval: 30 * time.Second, patience: 10 * time.Second} }

var errSilent = fmt.Errorf("the server does not answer: %w", driver.ErrUnavailable)

func openEar(n *news) *ear {
	ctx, cancel := context.WithCancelCause(context.Background())
	e := &ear{news: n, cancel: cancel, listening: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		defer cancel(nil)
		e.err = e.listen(ctx, cancel)
	}()
	return e
}

func (e *ear) over() bool {
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

func (e *ear) close() {
	e.cancel(nil)
	<-e.ended
}

func (e *ear) listen(ctx context.Context, cancel context.CancelCauseFunc) error {
	o := e.news.store.options
	if o.ListenDSN == "" {
		return errors.New("there is no connection string for LISTEN: set Options.ListenDSN to hear of other processes' commits")
	}
	config, err := parse(o.ListenDSN)
	if err != nil {
		return err
	}
	l := startListener(ctx, toPrimary(o.ListenDSN, config)) // nobody can listen on a standby
	defer l.stop()
	giveUp := func() { cancel(errSilent) }
	late := time.AfterFunc(connectPatience, giveUp)
	if err := l.Listen(o.Schema); err != nil {
		return l.reason(err)
	}
	late.Stop()
	close(e.listening)
	var pinging sync.WaitGroup
	defer pinging.Wait()
	defer cancel(nil) // ends a ping under way
	ping := time.NewTicker(e.news.pings.interval)
	defer ping.Stop()
	for {
		select {
		case n, ok := <-l.Notify:
			if !ok {
				return l.reason(net.ErrClosed)
			}
			if n == nil || n.Extra != e.news.name {
				e.news.wake()
			}
		case <-ping.C:
			pinging.Go(func() { l.ping(e.news.pings.patience, giveUp) })
		}
	}
}

// listener is a pq.Listener that does not connect again: while it is deaf, its watchers must be told.
type listener struct {
	*pq.Listener
	stopDial func() bool

	mu   sync.Mutex
	lost error
}

// startListener makes a listener that ends with ctx, even while it connects.
func startListener(ctx context.Context, dsn string) *listener {
	l := new(listener)
	const again = time.Millisecond // how long it sleeps before it finds out that it was closed
	started := make(chan struct{})
	l.Listener = pq.NewDialListener(earDialer{ctx}, dsn, again, again, func(_ pq.ListenerEventType, err error) {
		if err != nil {
			<-started
			l.lose(err)
		}
	})
	l.stopDial = context.AfterFunc(ctx, func() { l.lose(context.Cause(ctx)) })
	close(started)
	return l
}

// lose closes the listener. The first reason counts.
func (l *listener) lose(reason error) {
	l.mu.Lock()
	if l.lost == nil {
		l.lost = reason
	}
	l.mu.Unlock()
	_ = l.Close() // it may be closed already
}

// ping gives up the connection if the server does not answer. Its failure shows as the end of l.Notify.
func (l *listener) ping(patience time.Duration, giveUp func()) {
	late := time.AfterFunc(patience, giveUp)
	defer late.Stop()
	_ = l.Ping()
}

// stop returns when the listener's goroutine has ended.
func (l *listener) stop() {
	l.stopDial()
	l.lose(net.ErrClosed)
	for range l.Notify { //nolint:revive // drained until it is closed
	}
}

func (l *listener) reason(fallback error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	return fallback
}

// earDialer makes connections that are closed when its context ends.
type earDialer struct{ ctx context.Context }

// Dial implements pq.Dialer.
func (d earDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialTimeout(network, address, 0)
}

// DialTimeout implements pq.Dialer.
func (d earDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, cmp.Or(timeout, connectPatience))
	defer cancel()
	c, err := dialer{ackPatience}.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.ctx, func() { _ = c.Close() })
	return c, nil
}
