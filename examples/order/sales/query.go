package sales

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/examples/order/order"
)

// Order is a row of sales_orders.
type Order struct {
	ID, Customer, Country, Month string
	Status                       order.Status
	Total                        order.Money
}

// Orders returns the orders of these ids, in the order of their ids.
func Orders(ctx context.Context, db *sqlx.DB, ids []string) (orders []Order, err error) {
	query, args, err := sqlx.In(`SELECT * FROM sales_orders WHERE id IN (?) ORDER BY id`, ids)
	if err != nil {
		return nil, err
	}
	err = db.SelectContext(ctx, &orders, db.Rebind(query), args...)
	return orders, err
}

// Revenue is a row of sales_revenue.
type Revenue struct {
	Country, Month string
	Amount         order.Money
}

// RevenueByMonth returns what each country brought in each month, the months in order.
func RevenueByMonth(ctx context.Context, db *sqlx.DB) (revenue []Revenue, err error) {
	err = db.SelectContext(ctx, &revenue, `SELECT * FROM sales_revenue ORDER BY month, country`)
	return revenue, err
}

// Item is a row of sales_items.
type Item struct {
	SKU, Description string
	Quantity         int64
	Amount           order.Money
}

// BestSellers returns the n items of which the most were sold.
func BestSellers(ctx context.Context, db *sqlx.DB, n int) (items []Item, err error) {
	err = db.SelectContext(ctx, &items, db.Rebind(`SELECT * FROM sales_items ORDER BY quantity DESC, sku LIMIT ?`), n)
	return items, err
}

// Total returns all revenue.
func Total(ctx context.Context, db *sqlx.DB) (total order.Money, err error) {
	err = db.GetContext(ctx, &total, `SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM sales_revenue`)
	return total, err
}
