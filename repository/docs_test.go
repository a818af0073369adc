package repository_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/repository"
)

// Order is the aggregate of the documentation's tables.
type Order struct{ aggregate.Root[accountEvent] }

func newOrder(id string) *Order {
	o := new(Order)
	o.Init(id, func(accountEvent) {})
	return o
}

// What the documentation says that an error says, it says.
func TestTheErrorsInTheDocumentationAreReal(t *testing.T) {
	page, err := os.ReadFile("../docs/repository.md")
	require.NoError(t, err)
	w := newWorld(t, memory.New())

	quoted := func(name, text string) {
		t.Run(name, func(t *testing.T) {
			text = strings.NewReplacer("account-", "order-", "repository_test.", "order.").Replace(text)
			require.True(t, strings.Contains(string(page), "`"+text), "docs/repository.md does not quote: %s", text)
		})
	}
	refused := func(name, streamType string, newA func(string) *Order, opts *repository.Options) {
		_, err := repository.New(w.store, streamType, newA, opts)
		require.Error(t, err)
		quoted(name, err.Error())
	}
	refused("no Init", "order", func(string) *Order { return new(Order) }, nil)
	refused("a recording constructor", "order", func(id string) *Order {
		o := newOrder(id)
		o.Record(deposited{1})
		return o
	}, nil)
	refused("another id", "order", func(string) *Order { return newOrder("7") }, nil)
	refused("a nil aggregate", "order", func(string) *Order { return nil }, nil)
	refused("a hyphen", "web-order", newOrder, nil)
	refused("no Snapshotter", "order", newOrder, &repository.Options{Snapshots: repository.EveryEvents(1)})

	accounts := w.accounts(t, repository.Options{})
	_, err = accounts.Load(t.Context(), "42")
	quoted("not found", err.Error())

	slow, fast := newAccount("42"), newAccount("42")
	for _, a := range []*account{slow, fast} {
		a.deposit(1)
	}
	require.NoError(t, accounts.Save(t.Context(), fast))
	slow = load(t, accounts, "42")
	fast.deposit(1)
	slow.deposit(1)
	require.NoError(t, accounts.Save(t.Context(), fast))
	quoted("a conflict", accounts.Save(t.Context(), slow).Error())

	beaten := func(a *account) error {
		w.append(t, "42", deposited{1})
		a.deposit(1)
		return nil
	}
	_, err = accounts.Update(t.Context(), "42", beaten)
	quoted("too many conflicts", regexp.MustCompile(`conflict: .*`).ReplaceAllString(err.Error(), "conflict: …"))

	w.append(t, "42", rained{})
	_, err = accounts.Load(t.Context(), "42")
	quoted("another aggregate's event", regexp.MustCompile(`version \d+, (.*has no use for a ).*`).
		ReplaceAllString(err.Error(), "version 2, $1…"))
}

func TestTheTimeoutInTheDocumentationIsReal(t *testing.T) {
	page, err := os.ReadFile("../docs/repository.md")
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New())
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		_, err := w.accounts(t, repository.Options{Backoff: time.Hour}).Update(ctx, "42", func(a *account) error {
			w.append(t, "42", deposited{1})
			a.deposit(1)
			return nil
		})
		text, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), "account-", "order-"), "stream ")
		require.True(t, strings.Contains(string(page), "`"+text+"…"), "docs/repository.md does not quote: %s", text)
	})
}
