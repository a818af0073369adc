package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// line is what one connection of lib/pq reaches the server by: the dialer of that connection alone. lib/pq waits for the
// server without end, also for the answer to a request to cancel, so it is the line that gives up:
//
//   - while the connection is made, when the context ends or connectPatience has passed;
//   - when the network has not taken what was sent within ackPatience, see dialer;
//   - when a statement is to be cancelled and the server has not taken the request, or not ended the statement,
//     within cancelPatience. A request that is still on its way must not find another statement on this connection.
//
// What waits for an answer then fails as after any lost connection, and the connection's place in the pool is free.
type line struct {
	lines *lines
	ack   time.Duration

	mu   sync.Mutex
	main net.Conn // nil before the first dial
	up   bool     // the connection is made: whoever dials now wants to cancel
	lost bool     // the context ended before it was up
	free bool     // it lies in the pool, and nobody has a transaction on it

	waiting atomic.Bool  // for the server to say something
	moves   atomic.Int64 // how often something was sent or has come
	last    atomic.Int64 // when, in Unix nanoseconds
}

const (
	connectPatience = 10 * time.Second
	ackPatience     = 30 * time.Second
)

// DialContext implements pq.DialerContext.
func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	up := l.up
	l.mu.Unlock()
	if up {
		return l.dialToCancel(network, address)
	}
	c, err := dialer{l.ack}.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.main = c
	if l.lost {
		_ = c.Close()
	}
	return &wire{c, l}, nil
}

// Dial implements pq.Dialer.
func (l *line) Dial(network, address string) (net.Conn, error) {
	return l.DialContext(context.Background(), network, address)
}

// DialTimeout implements pq.Dialer.
func (l *line) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return l.DialContext(ctx, network, address)
}

func (l *line) dialToCancel(network, address string) (net.Conn, error) {
	l.hurry()
	ctx, cancel := context.WithTimeout(context.Background(), cancelPatience)
	defer cancel()
	c, err := dialer{l.ack}.dial(ctx, network, address)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(cancelPatience))
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return &cancelRequest{c, l}, nil
}

// connecting runs f, which makes the connection, and closes what it has made so far when ctx ends.
func (l *line) connecting(ctx context.Context, f func() error) error {
	defer context.AfterFunc(ctx, l.lose)()
	err := f()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = true
	return err
}

func (l *line) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up {
		return
	}
	l.lost = true
	if l.main != nil {
		_ = l.main.Close()
	}
}

// within runs f, and closes the line if f goes on for longer than cancelPatience after the end of ctx.
func (l *line) within(ctx context.Context, f func() error) error {
	over := make(chan struct{})
	defer close(over)
	defer context.AfterFunc(ctx, func() {
		late := time.NewTimer(cancelPatience)
		defer late.Stop()
		select {
		case <-over:
		case <-late.C:
			l.close()
		}
	})()
	return f()
}

// hurry closes the line if nothing moves on it within cancelPatience, while somebody waits for the server.
func (l *line) hurry() {
	before := l.moves.Load()
	time.AfterFunc(cancelPatience, func() {
		if l.waiting.Load() && l.moves.Load() == before {
			l.close()
		}
	})
}

// close gives up the line. Before anybody hears of it, those go that lie in the pool and have said nothing since: they may
// be as dead.
func (l *line) close() {
	l.lines.closeFree(l.last.Load())
	_ = l.main.Close()
}

// setFree takes note of whether the line lies in the pool.
func (l *line) setFree(free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = free
}

// closeFree closes the line if it lies in the pool and nothing has moved on it after a moment. Who is given it next
// notices before he has sent anything, and database/sql gives him another.
func (l *line) closeFree(since int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free && l.last.Load() <= since {
		_ = l.main.Close()
	}
}

func (l *line) moved() {
	l.moves.Add(1)
	l.last.Store(time.Now().UnixNano())
}

// wire is the connection to the server.
type wire struct {
	net.Conn
	line *line
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	w.line.waiting.Store(true)
	n, err := w.Conn.Read(b)
	w.line.waiting.Store(false)
	w.line.moved()
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	w.line.moved()
	return w.Conn.Write(b)
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.line.lines.remove(w.line)
	return w.Conn.Close()
}

// cancelRequest is a connection that carries a request to cancel. The server closes it when it has passed the request on.
type cancelRequest struct {
	net.Conn
	line *line
}

// Read implements net.Conn.
func (c *cancelRequest) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		c.line.close()
	}
	return n, err
}

// SetDeadline implements net.Conn. The deadline stays as it is.
func (c *cancelRequest) SetDeadline(time.Time) error { return nil }
