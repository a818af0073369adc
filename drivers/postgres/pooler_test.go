package postgres_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// proxy pools transactions: a client has a server's connection from the first message of a transaction to its end, and
// the next transaction gets the one that has been idle for longest. So nothing that a session keeps is there again.
type proxy struct {
	servers chan *serverConn
	dial    func() (*serverConn, error)

	mu      sync.Mutex
	clients map[uint32]*proxied
}

type serverConn struct {
	*buffered
	greeting []byte // the parameters that it told
	key      []byte // for a request to cancel
}

// buffered is a connection that is read and written many messages at a time.
type buffered struct {
	net.Conn
	*bufio.ReadWriter
}

func newBuffered(c net.Conn) *buffered {
	return &buffered{c, bufio.NewReadWriter(bufio.NewReaderSize(c, 16<<10), bufio.NewWriterSize(c, 16<<10))}
}

func (b *buffered) Read(p []byte) (int, error)  { return b.ReadWriter.Read(p) }
func (b *buffered) Write(p []byte) (int, error) { return b.ReadWriter.Write(p) }

// proxied is a client.
type proxied struct {
	proxy  *proxy
	client *buffered
	id     uint32

	mu     sync.Mutex
	server *serverConn // nil between transactions
}

func startProxy(t *testing.T, dsn string) string {
	t.Helper()
	const pool = 24
	p := &proxy{servers: make(chan *serverConn, pool), clients: make(map[uint32]*proxied)}
	p.dial = func() (*serverConn, error) { return dialServer(dsn) }
	for range pool {
		s, err := p.dial()
		require.NoError(t, err)
		p.servers <- s
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = l.Close()
		for len(p.servers) > 0 {
			_ = (<-p.servers).Close()
		}
	})
	go func() {
		for id := uint32(1); ; id++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = (&proxied{proxy: p, client: newBuffered(c), id: id}).serve()
			}()
		}
	}()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	return fmt.Sprintf("postgres://%s@%s%s?sslmode=disable", u.User, l.Addr(), u.Path)
}

// cancelRequest is the code of the message that asks the server to cancel what another connection is at.
const cancelRequest = 80877102

func (c *proxied) serve() error {
	startup, err := readUntyped(c.client)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(startup) == cancelRequest {
		return c.proxy.cancel(binary.BigEndian.Uint32(startup[4:]))
	}
	c.proxy.mu.Lock()
	c.proxy.clients[c.id] = c
	c.proxy.mu.Unlock()
	if err := c.greet(); err != nil {
		return err
	}
	err = c.relay()
	c.drop()
	return err
}

func (c *proxied) greet() error {
	s := <-c.proxy.servers
	greeting := s.greeting
	c.proxy.servers <- s
	key := binary.BigEndian.AppendUint32(nil, c.id)
	key = binary.BigEndian.AppendUint32(key, 0)
	_, _ = c.client.Write(bytes.Join([][]byte{ // Flush returns the error
		message('R', make([]byte, 4)), greeting, message('K', key), message('Z', []byte{'I'}),
	}, nil))
	return c.client.Flush()
}

// relay passes messages on until the client ends.
func (c *proxied) relay() error {
	for {
		kind, body, err := readTyped(c.client)
		if err != nil || kind == 'X' {
			return err
		}
		if c.server == nil {
			c.hold(<-c.proxy.servers)
		}
		if _, err := c.server.Write(message(kind, body)); err != nil {
			return err
		}
		if kind == 'S' || kind == 'Q' {
			if err := c.server.Flush(); err != nil {
				return err
			}
			if err := c.answer(); err != nil {
				return err
			}
		}
	}
}

// answer passes the server's answer on, and gives the server back after a transaction's end.
func (c *proxied) answer() error {
	for {
		kind, body, err := readTyped(c.server)
		if err != nil {
			return err
		}
		idle := kind == 'Z' && body[0] == 'I'
		if idle {
			s := c.server
			c.hold(nil)
			c.proxy.servers <- s
		}
		if _, err := c.client.Write(message(kind, body)); err != nil {
			return err
		}
		if kind == 'Z' {
			return c.client.Flush()
		}
	}
}

func (c *proxied) hold(s *serverConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = s
}

// drop replaces the connection of a client that left in the midst of a transaction.
func (c *proxied) drop() {
	if c.server == nil {
		return
	}
	_ = c.server.Close()
	c.hold(nil)
	if s, err := c.proxy.dial(); err == nil {
		c.proxy.servers <- s
	}
}

// cancel passes a client's request to cancel on to the server that works for it.
func (p *proxy) cancel(id uint32) error {
	p.mu.Lock()
	c := p.clients[id]
	p.mu.Unlock()
	if c == nil {
		return errors.New("no such client")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	conn, err := net.Dial(c.server.RemoteAddr().Network(), c.server.RemoteAddr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	request := binary.BigEndian.AppendUint32(nil, uint32(8+len(c.server.key)))
	request = binary.BigEndian.AppendUint32(request, cancelRequest)
	if _, err := conn.Write(append(request, c.server.key...)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

// dialServer has pgx log in, by whatever means the server asks for, and takes the connection over.
func dialServer(dsn string) (*serverConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams = map[string]string{"client_encoding": "UTF8", "datestyle": "ISO, MDY"}
	var lent *lentConn
	config.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, c net.Conn) (net.Conn, error) {
		lent = &lentConn{Conn: c}
		return lent, nil
	}
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	taken, err := c.Hijack()
	if err != nil {
		return nil, err
	}
	own, err := lent.takeBack()
	if err != nil {
		return nil, err
	}
	s := &serverConn{buffered: newBuffered(own), key: append(binary.BigEndian.AppendUint32(nil, taken.PID), taken.SecretKey...)}
	for name, value := range taken.ParameterStatuses {
		s.greeting = append(s.greeting, message('S', []byte(name+"\x00"+value+"\x00"))...)
	}
	return s, nil
}

// lentConn is a connection that pgx has until it has logged in. If a write took it long, a goroutine of pgx's still reads then,
// and would have the first answer to somebody else.
type lentConn struct {
	net.Conn
	mu    sync.Mutex // held while pgx reads
	taken bool
}

func (l *lentConn) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return 0, net.ErrClosed
	}
	return l.Conn.Read(b)
}

func (l *lentConn) takeBack() (net.Conn, error) {
	interrupted := l.SetReadDeadline(time.Unix(1, 0))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = true
	return l.Conn, errors.Join(interrupted, l.SetReadDeadline(time.Time{}))
}

func message(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

func readTyped(r io.Reader) (kind byte, body []byte, err error) {
	var head [1]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	body, err = readUntyped(r)
	return head[0], body, err
}

func readUntyped(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:])-4)
	_, err := io.ReadFull(r, body)
	return body, err
}
