package fault

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is one client's connection and the server's that goes with it.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	silent         atomic.Bool
	swallow        atomic.Pointer[trigger] // set from the request on whose answer is not to arrive
	held           []byte                  // answers that are not passed on yet
}

// moment is when a trigger cuts.
type moment int

const (
	before moment = iota
	after
)

type trigger struct {
	text []byte
	when moment
	hit  chan struct{}
}

// cut breaks both connections.
func (l *link) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// serve returns when both connections are closed.
func (l *link) serve() {
	startup, err := readUntyped(l.client)
	if err != nil {
		return
	}
	if binary.BigEndian.Uint32(startup) == cancelRequest {
		l.requestCancel(startup)
		return
	}
	if !l.pass(l.server, untyped(startup)) {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(l.client, l.request) })
	pumps.Go(func() { l.pump(l.server, l.answer) })
	pumps.Wait()
}

// pump hands on message after message until one of the connections is lost.
func (l *link) pump(from net.Conn, hand func(kind byte, body []byte) bool) {
	defer l.cut()
	buffered := bufio.NewReader(from)
	for {
		kind, body, err := readTyped(buffered)
		if err != nil || !hand(kind, body) {
			return
		}
	}
}

// request passes on a message of the client. It returns false to cut the connection.
func (l *link) request(kind byte, body []byte) bool {
	if t := l.proxy.triggered(body); t != nil {
		if t.when == before {
			l.cut()
			close(t.hit)
			return false
		}
		l.swallow.Store(t)
	}
	if kind == sync_ || kind == query {
		l.linger()
	}
	return l.pass(l.server, typed(kind, body))
}

// answer passes on a message of the server. While an answer is to be swallowed, it holds back what comes until it knows
// whether the transaction is over.
func (l *link) answer(kind byte, body []byte) bool {
	t := l.swallow.Load()
	l.held = append(l.held, typed(kind, body)...)
	switch {
	case kind == ready && t != nil && body[0] == idle:
		l.cut()
		close(t.hit)
		return false
	case kind == ready:
		l.linger()
	case t != nil:
		return true
	}
	passed := l.pass(l.client, l.held)
	l.held = nil
	return passed
}

// pass writes a message, or forgets it. It returns false if the connection is lost.
func (l *link) pass(to net.Conn, message []byte) bool {
	if l.silent.Load() {
		return true
	}
	_, err := to.Write(message)
	return err == nil
}

// linger keeps a message on its way.
func (l *link) linger() {
	l.proxy.mu.Lock()
	delay := l.proxy.delay
	l.proxy.mu.Unlock()
	if delay != nil {
		time.Sleep(delay())
	}
}

// requestCancel passes on a request to cancel, and its end when the server has taken it.
func (l *link) requestCancel(startup []byte) {
	l.proxy.mu.Lock()
	held := l.proxy.cancels
	l.proxy.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-l.proxy.done:
		}
	}
	answering := l.server
	if l.silent.Load() {
		answering = l.client // which never comes to an end, unless the client gives up
	}
	if l.pass(l.server, untyped(startup)) {
		_, _ = io.Copy(io.Discard, answering)
	}
}

// triggered returns, once, the trigger for a request.
func (p *Proxy) triggered(request []byte) *trigger {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range p.triggers {
		if bytes.Contains(request, t.text) {
			p.triggers = append(p.triggers[:i:i], p.triggers[i+1:]...)
			return t
		}
	}
	return nil
}
