package projection_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqltx"
)

// balances is a read model. add is no set: an event that is applied twice shows. mix shows the order as well.
type balances interface {
	add(ctx context.Context, account string, cents int) error
	mix(ctx context.Context, account string, version int64) error
	all(t *testing.T) map[string]int
}

// mapBalances stands apart from the store's database, as a cache or another service would.
type mapBalances struct {
	mu    sync.Mutex
	cents map[string]int
}

func (b *mapBalances) add(_ context.Context, account string, cents int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cents[account] += cents
	return nil
}

func (b *mapBalances) mix(_ context.Context, account string, version int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cents[account] = mixed(b.cents[account], version)
	return nil
}

// mixed returns another number for every order of the same versions, in all likelihood.
func mixed(before int, version int64) int { return (before*31 + int(version)) % 1000000007 }

func (b *mapBalances) all(*testing.T) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.cents)
}

// tableBalances stands in the store's database.
type tableBalances struct{ db *sqlx.DB }

func (b tableBalances) add(ctx context.Context, account string, cents int) error {
	return b.exec(ctx, `INSERT INTO balance VALUES ($1, $2)
ON CONFLICT (account) DO UPDATE SET cents = balance.cents + $2`, account, cents)
}

func (b tableBalances) mix(ctx context.Context, account string, version int64) error {
	return b.exec(ctx, `INSERT INTO balance VALUES ($1, $2)
ON CONFLICT (account) DO UPDATE SET cents = (balance.cents * 31 + $2) % 1000000007`, account, version)
}

func (tableBalances) exec(ctx context.Context, statement string, args ...any) error {
	tx, ok := sqltx.From(ctx)
	if !ok {
		return errors.New("the handler's context carries no transaction")
	}
	_, err := tx.ExecContext(ctx, statement, args...)
	return err
}

func (b tableBalances) all(t *testing.T) map[string]int {
	t.Helper()
	var rows []struct {
		Account string
		Cents   int
	}
	require.NoError(t, b.db.SelectContext(t.Context(), &rows, `SELECT account, cents FROM balance`))
	all := map[string]int{}
	for _, r := range rows {
		all[r.Account] = r.Cents
	}
	return all
}
