package fault

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy passes messages on between clients and one server, and does harm when it is told to. It is safe for concurrent
// use.
type Proxy struct {
	listener net.Listener
	server   address
	dsn      string
	serving  sync.WaitGroup

	mu       sync.Mutex
	links    map[*link]bool
	closed   bool
	silent   bool
	refusing bool
	delay    func() time.Duration
	triggers []*trigger
	lossy    bool
	cancels  <-chan struct{} // closed when requests to cancel may pass; nil while nothing holds them
	done     chan struct{}   // closed when the proxy ends
}

// address is what net.Dial takes.
type address struct{ network, name string }

// Start starts a proxy in front of the server that dsn names, a URL as pgtest hands them out. It ends with the test.
func Start(tb testing.TB, dsn string) *Proxy {
	tb.Helper()
	server, err := pgconn.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{listener: l, links: make(map[*link]bool), done: make(chan struct{})}
	p.server.network, p.server.name = pgconn.NetworkAddress(server.Host, server.Port)
	front := url.URL{Scheme: "postgres", User: url.UserPassword(server.User, server.Password), Host: l.Addr().String(), Path: server.Database, RawQuery: "sslmode=disable"}
	p.dsn = front.String()
	p.serving.Go(p.serve)
	tb.Cleanup(p.close)
	return p
}

// DSN returns the URL under which clients reach the server through the proxy.
func (p *Proxy) DSN() string { return p.dsn }

// Cut breaks every connection that there is. New ones work.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse breaks every connection that there is, and new ones as soon as they are made, until Heal.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	p.Cut()
}

// Silence leaves every connection open and passes nothing on any more: not on those that there are, ever, and not on new
// ones until Heal. It is what a firewall does that has forgotten a connection.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
	for l := range p.links {
		l.silent.Store(true)
	}
}

// Lose is Silence on a network that loses every packet: what a client sends is not even acknowledged. Only Linux can do
// that; elsewhere it is Silence.
func (p *Proxy) Lose() {
	p.Silence()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lossy = true
	for l := range p.links {
		l.deafen()
	}
}

// Heal has new connections work again. Those that have fallen silent stay so.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.lossy, p.refusing = false, false, false
}

// Delay has every request and every answer wait on its way, for as long as delay says; nil ends that.
func (p *Proxy) Delay(delay func() time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// HoldCancels keeps requests to cancel a statement on their way until release is called.
func (p *Proxy) HoldCancels() (release func()) {
	held := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancels = held
	return sync.OnceFunc(func() { close(held) })
}

// CutBefore cuts the connection on which the next request comes that contains text: the server never gets it. The channel
// is closed when it has happened.
func (p *Proxy) CutBefore(text string) <-chan struct{} { return p.expect(text, before) }

// CutAfter cuts the connection on which the next request comes that contains text, when the transaction that the request
// belongs to is over and before its answer is passed on: the server has done it, and nobody is told. The channel is closed
// when it has happened.
func (p *Proxy) CutAfter(text string) <-chan struct{} { return p.expect(text, after) }

func (p *Proxy) expect(text string, when moment) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &trigger{text: []byte(text), when: when, hit: make(chan struct{})}
	p.triggers = append(p.triggers, t)
	return t.hit
}

// Connections returns how many connections there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func (p *Proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.connect(c) })
	}
}

// connect serves one client.
func (p *Proxy) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial(p.server.network, p.server.name)
	if err != nil {
		return
	}
	defer server.Close()
	l := &link{proxy: p, client: client, server: server}
	if p.enter(l) == nil {
		defer p.leave(l)
		l.serve()
	}
}

var errRefused = errors.New("the proxy refuses connections")

func (p *Proxy) enter(l *link) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.refusing {
		return errRefused
	}
	l.silent.Store(p.silent)
	if p.lossy {
		l.deafen()
	}
	p.links[l] = true
	return nil
}

func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	close(p.done)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
	p.serving.Wait()
}
