package fault_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

const patience = 30 * time.Second

// start returns a proxy and a pool of one connection through it, which has made a table with one row.
func start(t *testing.T) (*fault.Proxy, *sql.DB) {
	t.Helper()
	p := fault.Start(t, pgtest.DSN(t))
	db, err := sql.Open("postgres", p.DSN())
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(t.Context(), `CREATE TABLE counter AS SELECT 0 AS n`)
	require.NoError(t, err)
	return p, db
}

func counted(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT n FROM counter`).Scan(&n))
	return n
}

const increment = `UPDATE counter SET n = n + 1 /* increment */`

func happens(t *testing.T, it <-chan struct{}) {
	t.Helper()
	select {
	case <-it:
	case <-time.After(patience):
		require.Fail(t, "it has not happened")
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	t.Run("cuts before a request arrives, so that nothing is done", func(t *testing.T) {
		p, db := start(t)
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		cut := p.CutBefore("increment")
		_, err = tx.Exec(increment)
		require.Error(t, err)
		happens(t, cut)
		_ = tx.Rollback()
		require.Equal(t, 0, counted(t, db))
	})
	t.Run("cuts before the answer to a commit arrives, so that it is done and nobody is told", func(t *testing.T) {
		p, db := start(t)
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		cut := p.CutAfter("increment")
		_, err = tx.Exec(increment)
		require.NoError(t, err, "the transaction goes on")
		require.Error(t, tx.Commit())
		happens(t, cut)
		require.Equal(t, 1, counted(t, db))
	})
	t.Run("cuts all connections, and lets new ones through", func(t *testing.T) {
		p, db := start(t)
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		p.Cut()
		require.Error(t, tx.Commit())
		require.Equal(t, 0, counted(t, db))
		require.Equal(t, 1, p.Connections())
	})
	t.Run("refuses connections until it is healed", func(t *testing.T) {
		p, db := start(t)
		p.Refuse()
		require.Error(t, db.PingContext(t.Context()))
		p.Heal()
		require.Equal(t, 0, counted(t, db))
	})
	t.Run("has everything wait", func(t *testing.T) {
		p, db := start(t)
		p.Delay(func() time.Duration { return 20 * time.Millisecond })
		began := time.Now()
		require.Equal(t, 0, counted(t, db))
		require.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond)
	})
	t.Run("holds requests to cancel", func(t *testing.T) {
		p, db := start(t)
		release := p.HoldCancels()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		ended := make(chan error)
		go func() {
			_, err := db.ExecContext(ctx, `SELECT pg_sleep(60)`)
			ended <- err
		}()
		<-ctx.Done()
		select {
		case err := <-ended:
			require.Fail(t, "it was cancelled", err)
		case <-time.After(50 * time.Millisecond):
		}
		release()
		require.Error(t, <-ended)
	})
}

func TestAProxyThatIsSilent(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]func(*fault.Proxy){"hears": (*fault.Proxy).Silence, "loses": (*fault.Proxy).Lose} {
		t.Run("and "+name+" what is sent answers nothing on old connections, and on new ones when it is healed", func(t *testing.T) {
			p, db := start(t)
			old, err := db.Conn(t.Context()) // closes with its connection
			require.NoError(t, err)
			silence(p)
			answered := make(chan error)
			go func() { answered <- old.PingContext(context.Background()) }()
			p.Heal()
			db.SetMaxOpenConns(2)
			require.Equal(t, 0, counted(t, db))
			select {
			case err := <-answered:
				require.Fail(t, "there was an answer", err)
			case <-time.After(50 * time.Millisecond):
			}
			p.Cut()
			require.Error(t, <-answered)
		})
	}
}
