package postgres

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// lines makes the connections of a pool, each with a line of its own.
type lines struct {
	config pq.Config
	ack    time.Duration

	mu  sync.Mutex
	all map[*line]bool
}

// Connect implements the connector of database/sql.
func (ls *lines) Connect(ctx context.Context) (sqldriver.Conn, error) {
	connector, err := pq.NewConnectorConfig(ls.config)
	if err != nil {
		return nil, errDSN
	}
	l := &line{lines: ls, ack: ls.ack}
	connector.Dialer(l)
	var c sqldriver.Conn
	err = l.connecting(ctx, func() error {
		c, err = connector.Connect(ctx)
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
	case err != nil:
		return nil, ls.noHost(err)
	}
	ls.add(l)
	return &session{c.(pqConn), l}, nil
}

// noHost says of an error that none of several hosts is the primary, which passes when a standby takes over. lib/pq has no
// type for that: it is what is left if no server has answered with an error of its own.
func (ls *lines) noHost(err error) error {
	var answer *pq.Error
	wanted := len(ls.config.Multi) > 0 && ls.config.TargetSessionAttrs == pq.TargetSessionAttrsPrimary
	if !wanted || errors.As(err, &answer) {
		return err
	}
	return fmt.Errorf("%w: none of the hosts is a primary that takes us: %w", driver.ErrUnavailable, err)
}

// Driver implements the connector of database/sql. It is where sqltx.In finds the Explainer.
func (ls *lines) Driver() sqldriver.Driver { return explainer{} }

// explainer is the driver of a pool that Open makes.
type explainer struct{ pq.Driver }

var _ sqltx.Explainer = explainer{}

// Explain implements sqltx.Explainer.
func (explainer) Explain(ctx context.Context, err error) error {
	return failed(ctx, "transaction", err)
}

func (ls *lines) add(l *line) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all[l] = true
}

func (ls *lines) remove(l *line) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.all, l)
}

func (ls *lines) closeFree(since int64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for l := range ls.all {
		l.closeFree(since)
	}
}

// pqConn is what a connection of lib/pq can do.
type pqConn interface {
	sqldriver.Conn
	sqldriver.ConnBeginTx
	sqldriver.ConnPrepareContext
	sqldriver.ExecerContext
	sqldriver.NamedValueChecker
	sqldriver.Pinger
	sqldriver.QueryerContext
	sqldriver.SessionResetter
	sqldriver.Validator
}

// session is a connection of lib/pq whose transactions begin and end within their context, too.
type session struct {
	pqConn
	line *line
}

// IsValid implements the driver.Validator of database/sql, which calls it when the connection comes back into the pool.
func (s *session) IsValid() bool {
	s.line.setFree(true)
	return s.pqConn.IsValid()
}

// ResetSession implements the driver.SessionResetter of database/sql, which calls it when the connection is taken from
// the pool.
func (s *session) ResetSession(ctx context.Context) error {
	s.line.setFree(false)
	return s.pqConn.ResetSession(ctx)
}

// BeginTx implements the driver.ConnBeginTx of database/sql.
func (s *session) BeginTx(ctx context.Context, opts sqldriver.TxOptions) (tx sqldriver.Tx, err error) {
	err = s.line.within(ctx, func() error {
		tx, err = s.pqConn.BeginTx(ctx, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &sessionTx{tx, ctx, s.line}, nil
}

type sessionTx struct {
	sqldriver.Tx
	ctx  context.Context
	line *line
}

// Commit implements the driver.Tx of database/sql.
func (t *sessionTx) Commit() error { return t.line.within(t.ctx, t.Tx.Commit) }

// Rollback implements the driver.Tx of database/sql.
func (t *sessionTx) Rollback() error { return t.line.within(t.ctx, t.Tx.Rollback) }
