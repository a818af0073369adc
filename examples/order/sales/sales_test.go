package sales_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/drivers/sqltx"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/sales"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/repository"
)

// shop is a database with orders and their read model.
type shop struct {
	db     *sqlx.DB
	store  *eventstore.Store
	orders *repository.Repository[*order.Order]
}

func newShop(t *testing.T) *shop {
	t.Helper()
	drv, err := sqlite.Open(t.Context(), ":memory:", nil)
	require.NoError(t, err)
	store, err := eventstore.New(drv, order.Registry(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	orders, err := repository.New(store, order.StreamType, order.New, nil)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, sales.CreateTables(t.Context(), drv.DB()), "also where they are already")
	}
	return &shop{drv.DB(), store, orders}
}

// project runs the projection until it has come to the head.
func (s *shop) project(t *testing.T) {
	t.Helper()
	runner, err := projection.NewRunner(s.store, nil, sales.Projection())
	require.NoError(t, err)
	require.NoError(t, runner.CatchUp(t.Context()))
}

func (s *shop) command(t *testing.T, id string, commands ...func(*order.Order) error) {
	t.Helper()
	for _, command := range commands {
		_, err := s.orders.Update(t.Context(), id, command)
		require.NoError(t, err)
	}
}

func TestTheTablesAreCreatedByProgramsThatStartAtOnce(t *testing.T) {
	const programs = 4
	drv, err := postgres.Open(t.Context(), pgtest.DSN(t), nil)
	require.NoError(t, err)
	defer drv.Close()
	db := drv.DB()
	errs := make(chan error, programs)
	require.NoError(t, sqltx.In(t.Context(), db, func(ctx context.Context) error {
		tx, _ := sqltx.From(ctx)
		require.NoError(t, sales.CreateTables(ctx, tx), "of whoever comes first")
		for range programs {
			go func() { errs <- sales.CreateTables(t.Context(), db) }()
		}
		require.Eventually(t, func() bool {
			var waiting int
			err := db.Get(&waiting, `SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'`)
			return err == nil && waiting == programs
		}, time.Minute, time.Millisecond)
		return nil
	}))
	for range programs {
		require.NoError(t, <-errs)
	}
}

// tables is all of the read model.
type tables struct {
	Orders  []sales.Order
	Revenue []sales.Revenue
	Items   []sales.Item
	Total   order.Money
}

func (s *shop) tables(t *testing.T, ids ...string) (all tables) {
	t.Helper()
	var errs [4]error
	all.Orders, errs[0] = sales.Orders(t.Context(), s.db, ids)
	all.Revenue, errs[1] = sales.RevenueByMonth(t.Context(), s.db)
	all.Items, errs[2] = sales.BestSellers(t.Context(), s.db, 100)
	all.Total, errs[3] = sales.Total(t.Context(), s.db)
	require.Equal(t, [4]error{}, errs)
	return all
}

var (
	mugs   = order.Line{ID: "1", SKU: "21071", Description: "BLUE MUG", Quantity: 6, Price: order.Pence(125)}
	scales = order.Line{ID: "2", SKU: "22625", Quantity: 1, Price: order.Pence(850)}
)

func place(country string, month time.Month) func(*order.Order) error {
	return func(o *order.Order) error {
		return o.Place("7", country, time.Date(2011, month, 30, 23, 59, 59, 0, time.UTC))
	}
}

func add(l order.Line) func(*order.Order) error {
	return func(o *order.Order) error { return o.AddLine(l) }
}

func remove(l order.Line) func(*order.Order) error {
	return func(o *order.Order) error { return o.RemoveLine(l.ID) }
}

func bringBack(l order.Line) func(*order.Order) error {
	return func(o *order.Order) error { return o.Return(l) }
}

func pay(o *order.Order) error    { return o.Pay(o.Total()) }
func ship(o *order.Order) error   { return o.Ship("a cart") }
func cancel(o *order.Order) error { return o.Cancel("changed their mind") }

func TestTheReadModelCountsWhatWasSold(t *testing.T) {
	s := newShop(t)
	named := scales
	named.Description = "KITCHEN SCALES"
	s.command(t, "1", place("France", time.May), add(mugs), add(scales), pay, ship)
	s.command(t, "2", place("EIRE", time.June), add(mugs), add(named), remove(mugs))
	s.command(t, "3", place("France", time.June), bringBack(mugs))
	s.command(t, "4", place("France", time.June), add(scales), add(mugs), remove(scales), pay, cancel)
	s.command(t, "5", place("Spain", time.June), bringBack(mugs), cancel)
	s.project(t)

	want := tables{
		Orders: []sales.Order{
			{ID: "1", Customer: "7", Country: "France", Month: "2011-05", Status: order.StatusShipped, Total: order.Pence(1600)},
			{ID: "2", Customer: "7", Country: "EIRE", Month: "2011-06", Status: order.StatusOpen, Total: order.Pence(850)},
			{ID: "3", Customer: "7", Country: "France", Month: "2011-06", Status: order.StatusOpen, Total: order.Pence(-750)},
			{ID: "4", Customer: "7", Country: "France", Month: "2011-06", Status: order.StatusCancelled},
			{ID: "5", Customer: "7", Country: "Spain", Month: "2011-06", Status: order.StatusCancelled},
		},
		Revenue: []sales.Revenue{
			{Country: "France", Month: "2011-05", Amount: order.Pence(1600)},
			{Country: "EIRE", Month: "2011-06", Amount: order.Pence(850)},
			{Country: "France", Month: "2011-06", Amount: order.Pence(-750)},
			{Country: "Spain", Month: "2011-06"},
		},
		Items: []sales.Item{
			{SKU: "22625", Description: "KITCHEN SCALES", Quantity: 2, Amount: order.Pence(1700)},
			{SKU: "21071", Description: "BLUE MUG"},
		},
		Total: order.Pence(1700),
	}
	require.Equal(t, want, s.tables(t, "1", "2", "3", "4", "5"))

	t.Run("and counts it once when it is thrown away and built again", func(t *testing.T) {
		require.NoError(t, sales.Reset(t.Context(), s.store))
		require.Equal(t, tables{}, s.tables(t, "1"))
		s.project(t)
		require.Equal(t, want, s.tables(t, "1", "2", "3", "4", "5"))
	})
}

func TestTheReadModelAgreesWithTheOrders(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newShop(t)
	const orders = 8
	for i := range orders {
		s.command(t, fmt.Sprint(i+1), place("France", time.May))
	}
	for range 300 {
		id := fmt.Sprint(1 + random.IntN(orders))
		l := order.Line{ID: fmt.Sprint(random.IntN(9)), SKU: fmt.Sprint(random.IntN(3)), Quantity: 1 + random.IntN(9), Price: 5}
		commands := []func(*order.Order) error{place("France", time.May), add(l), add(l), bringBack(l), remove(l), pay, ship, cancel}
		_, _ = s.orders.Update(t.Context(), id, commands[random.IntN(len(commands))]) // most are refused, and that is fine
		if random.IntN(50) == 0 {
			s.project(t)
		}
	}
	s.project(t)

	var total order.Money
	for i := range orders {
		o, err := s.orders.Load(t.Context(), fmt.Sprint(i+1))
		require.NoError(t, err)
		row := s.tables(t, o.ID()).Orders[0]
		require.Equal(t, []any{o.Status(), o.Total()}, []any{row.Status, row.Total})
		total += o.Total()
	}
	all := s.tables(t, "1")
	require.Equal(t, total, all.Total)
	for _, item := range all.Items {
		total -= item.Amount
	}
	require.Zero(t, total, "the items come to the same")
}

func TestResetNeedsADatabaseWithTransactions(t *testing.T) {
	store, err := eventstore.New(memory.New(), order.Registry(), nil)
	require.NoError(t, err)
	require.ErrorIs(t, sales.Reset(t.Context(), store), eventstore.ErrNotSupported)
}
