package orderfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/examples/order/order"
)

// Invoice is what becomes of one order: the rows of a file that name it.
type Invoice struct {
	ID   string
	Rows []Row // in the order of the file, each item with an ID
}

// Invoices returns the invoices of a file's rows, the oldest first. Each row's item gets its ID.
func Invoices(rows []Row) []Invoice {
	byID := make(map[string]*Invoice)
	for _, row := range rows {
		inv := byID[row.Invoice]
		if inv == nil {
			inv = &Invoice{ID: row.Invoice}
			byID[row.Invoice] = inv
		}
		inv.Rows = append(inv.Rows, row)
	}
	invoices := make([]Invoice, 0, len(byID))
	for _, inv := range byID {
		inv.nameItems()
		invoices = append(invoices, *inv)
	}
	slices.SortFunc(invoices, func(a, b Invoice) int {
		return cmp.Or(a.first().At.Compare(b.first().At), strings.Compare(a.ID, b.ID))
	})
	return invoices
}

// nameItems derives each item's ID from what the row says and from how many rows before it say the same. So a row keeps
// its ID when the file is imported again, sorted or longer, and identical rows have one each.
func (inv *Invoice) nameItems() {
	namespace := uuid.NewSHA1(uuid.NameSpaceOID, []byte("tidemark order file"))
	seen := make(map[string]int)
	for i := range inv.Rows {
		r := &inv.Rows[i]
		content := fmt.Sprintf("%q", []string{r.Invoice, r.Customer, r.Country, r.At.String(), r.Item.String()})
		seen[content]++
		r.Item.ID = uuid.NewSHA1(namespace, fmt.Appendf(nil, "%s %d", content, seen[content])).String()
	}
}

// first returns the earliest row, whose time, customer and country are the order's. Some shops need a minute for an
// invoice.
func (inv *Invoice) first() Row {
	return slices.MinFunc(inv.Rows, func(a, b Row) int { return a.At.Compare(b.At) })
}

// errNothingNew has Update leave an order as it was. Without a line, an order is not even placed.
var errNothingNew = errors.New("nothing new in the invoice")

// replay calls the commands that the rows stand for. Those that are refused, or that the order knows from an earlier
// import, change nothing.
func (inv *Invoice) replay(o *order.Order) (Result, error) {
	var result Result
	placed := inv.place(o)
	for _, row := range inv.Rows {
		known, err := o.Knows(row.Item.ID), placed
		if placed == nil {
			err = row.replay(o)
		}
		if err := result.account(row, known, err); err != nil {
			return result, err
		}
	}
	if result.Recorded.Rows == 0 {
		return result, errNothingNew
	}
	return result, nil
}

// place places the order, unless an earlier import did.
func (inv *Invoice) place(o *order.Order) error {
	if o.Status() != order.StatusNew {
		return nil
	}
	first := inv.first()
	return o.Place(first.Customer, first.Country, first.At)
}

// replay calls the row's command.
func (r Row) replay(o *order.Order) error {
	if !strings.HasPrefix(r.Invoice, "C") {
		return o.AddLine(r.Item)
	}
	back := r.Item
	back.Quantity = -back.Quantity
	return o.Return(back)
}
