package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Batching implements driver.BatchCommitter. There is one writer, so there is one lane; a sync to disk is what a commit
// costs, so everybody who waits comes along.
func (s *Store) Batching() driver.Batching {
	return driver.Batching{Direct: 1, Lanes: 1, MaxCommits: 1024, MaxEvents: 16384}
}

// errUndone: for one of the commits SQLite has rolled back all of them, as a trigger of the user's may ask for.
var errUndone = errors.New("the batch was rolled back")

// CommitBatch implements driver.BatchCommitter: one transaction, in which a commit that is refused leaves nothing, or a
// transaction for each, if one of them has undone all.
func (s *Store) CommitBatch(ctx context.Context, commits [][]driver.Write) ([]driver.Outcome, error) {
	c, release, err := s.writer.acquire(ctx)
	if err != nil {
		return nil, s.file.wrap(ctx, "append", err)
	}
	defer release()
	outcomes, err := s.batchOn(ctx, c, commits)
	if errors.Is(err, errUndone) {
		outcomes, err = s.oneByOne(ctx, c, commits), nil
	}
	if err != nil {
		return nil, s.file.wrap(ctx, "append", err)
	}
	for i := range outcomes {
		outcomes[i].Err = s.file.wrap(ctx, "append", outcomes[i].Err)
	}
	if slices.ContainsFunc(outcomes, func(o driver.Outcome) bool { return stored(o.Receipts) }) {
		s.bell.ring()
	}
	return outcomes, nil
}

func (s *Store) oneByOne(ctx context.Context, c *sqlx.Conn, commits [][]driver.Write) []driver.Outcome {
	outcomes := make([]driver.Outcome, len(commits))
	for i, writes := range commits {
		outcomes[i].Receipts, outcomes[i].Err = s.commitOn(ctx, c, writes)
	}
	return outcomes
}

func (s *Store) batchOn(ctx context.Context, c *sqlx.Conn, commits [][]driver.Write) ([]driver.Outcome, error) {
	if _, err := lockExec(ctx, c, "BEGIN IMMEDIATE", nil); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	floor := s.writer.floor.Load()
	outcomes, err := batch(ctx, c, commits, floor)
	if err == nil {
		err = exec(ctx, c, "COMMIT")
	}
	if err != nil {
		// If this fails as well, the connection rolls back when it is released.
		_ = exec(ctx, c, "ROLLBACK")
		return nil, err
	}
	s.writer.floor.CompareAndSwap(floor, 0)
	return outcomes, nil
}

func batch(ctx context.Context, c *sqlx.Conn, commits [][]driver.Write, floor int64) ([]driver.Outcome, error) {
	if err := raisePositions(ctx, c, floor); err != nil {
		return nil, err
	}
	outcomes := make([]driver.Outcome, len(commits))
	for i, writes := range commits {
		receipts, err := commitOne(ctx, c, writes)
		switch one := concernsOne(err); {
		case err == nil:
		case (one || errors.Is(err, errLost)) && rolledBack(c):
			return nil, fmt.Errorf("%w: %w", errUndone, err)
		case !one:
			return nil, err
		}
		outcomes[i] = driver.Outcome{Receipts: receipts, Err: err}
	}
	return outcomes, nil
}

// concernsOne reports whether err is the outcome of one commit; else SQLite may have rolled back all of them.
func concernsOne(err error) bool {
	var sqlite sqlite3.Error
	return !errors.Is(err, errLost) && (!errors.As(err, &sqlite) || sqlite.Code == sqlite3.ErrConstraint)
}

// rolledBack reports whether the transaction that was begun on c is over.
func rolledBack(c *sqlx.Conn) (over bool) {
	err := c.Raw(func(raw any) error {
		over = raw.(*conn).AutoCommit()
		return nil
	})
	return over || err != nil
}

// commitOne makes one commit of a batch. It needs a savepoint only if it might be refused after its first statement.
func commitOne(ctx context.Context, c session, writes []driver.Write) ([]driver.Receipt, error) {
	if isSimple(writes) {
		receipts, err := commitSimple(&writes[0], func(args []any) (sql.Result, error) {
			return c.ExecContext(ctx, insertChecked, args...)
		})
		return receipts, explain(ctx, c, writes, err)
	}
	if err := exec(ctx, c, "SAVEPOINT tidemark"); err != nil {
		return nil, err
	}
	receipts, err := write(ctx, c, writes, 0)
	if err == nil {
		return receipts, exec(ctx, c, "RELEASE tidemark")
	}
	if undo := exec(ctx, c, "ROLLBACK TO tidemark; RELEASE tidemark"); undo != nil {
		return nil, lost(undo, err)
	}
	return nil, explain(ctx, c, writes, err)
}
