package sqltx

import (
	"context"
	"fmt"
	"sync"

	"github.com/jmoiron/sqlx"
)

type contextKey struct{}

// transaction is what a context carries: a transaction, the pool that it belongs to, and what is to happen at its end.
type transaction struct {
	db      *sqlx.DB
	tx      *sqlx.Tx
	release func()

	mu      sync.Mutex // guards what follows
	outcome outcome
	hooks   []func(committed bool)

	localsMu sync.Mutex // apart from mu, so that a create function may call OnEnd
	locals   map[any]any
}

type outcome int

const (
	open outcome = iota
	committed
	rolledBack
)

func carried(ctx context.Context) (*transaction, bool) {
	t, ok := ctx.Value(contextKey{}).(*transaction)
	return t, ok
}

func begin(ctx context.Context, db *sqlx.DB) (*transaction, error) {
	t := &transaction{db: db, release: func() {}}
	var err error
	if b, ok := db.Driver().(Beginner); ok {
		t.tx, t.release, err = b.BeginTxx(ctx, db)
	} else {
		t.tx, err = db.BeginTxx(ctx, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("sqltx: begin: %w", explained(ctx, db, err))
	}
	return t, nil
}

// run ends the transaction however fn ends: the deferred call sees to panics and to runtime.Goexit.
func (t *transaction) run(ctx context.Context, fn func(ctx context.Context) error) error {
	result := rolledBack
	defer func() { t.end(result) }()
	if err := fn(context.WithValue(ctx, contextKey{}, t)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqltx: rolled back before the commit: %w", err)
	}
	if err := t.tx.Commit(); err != nil {
		return fmt.Errorf("sqltx: commit: %w", explained(ctx, t.db, err))
	}
	result = committed
	return nil
}

// end rolls back what was not committed, lets go of the pool, and calls the hooks. A rollback that fails is no news:
// it was done already, by a commit that failed or when the context ended, or the connection is lost and the database
// does it.
func (t *transaction) end(result outcome) {
	if result == rolledBack {
		_ = t.tx.Rollback()
	}
	t.release()
	t.mu.Lock()
	t.outcome = result
	hooks := t.hooks
	t.hooks = nil
	t.mu.Unlock()
	call(hooks, result == committed)
}

// call calls the hooks in order. One that panics keeps no other from hearing of the end: what was saved must not be taken for
// stored because of it.
func call(hooks []func(committed bool), committed bool) {
	called := 0
	defer func() {
		if called < len(hooks) {
			call(hooks[called:], committed)
		}
	}()
	for _, f := range hooks {
		called++
		f(committed)
	}
}

func (t *transaction) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcome != open
}

func (t *transaction) onEnd(f func(committed bool)) {
	t.mu.Lock()
	result := t.outcome
	if result == open {
		t.hooks = append(t.hooks, f)
	}
	t.mu.Unlock()
	if result != open {
		f(result == committed)
	}
}

func (t *transaction) local(key any, create func() any) any {
	t.localsMu.Lock()
	defer t.localsMu.Unlock()
	value, ok := t.locals[key]
	if !ok {
		value = create()
		if t.locals == nil {
			t.locals = make(map[any]any)
		}
		t.locals[key] = value
	}
	return value
}

// explained adds what an error means to the pool's driver. Without its help, it adds the context's error to one that the end
// of the context may have caused: database/sql reports a transaction that it rolled back for this reason as sql.ErrTxDone.
func explained(ctx context.Context, db *sqlx.DB, err error) error {
	if e, ok := db.Driver().(Explainer); ok {
		return e.Explain(ctx, err)
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
