package orderfile

import (
	"errors"

	"github.com/tidemark-go/tidemark/examples/order/order"
)

// Tally is a number of rows and what they come to.
type Tally struct {
	Rows   int
	Amount order.Money
}

// Refused is a Tally that says which rows it is about.
type Refused struct {
	Tally
	Lines []int // their numbers in the file
}

// Result accounts for every row of the invoices that were gone through: it was recorded, known from an earlier import,
// or refused.
type Result struct {
	Invoices int
	Recorded Tally
	Known    Tally
	Refused  map[order.Refusal]Refused
}

// Total returns the Tally of rows.
func Total(rows []Row) Tally {
	var total Tally
	for _, r := range rows {
		total.add(r)
	}
	return total
}

// Total returns the sum of all that became of rows.
func (r *Result) Total() Tally {
	total := r.Recorded
	total.join(r.Known)
	for _, refused := range r.Refused {
		total.join(refused.Tally)
	}
	return total
}

func (t *Tally) add(r Row) { t.join(Tally{Rows: 1, Amount: r.Item.Amount()}) }

func (t *Tally) join(other Tally) {
	t.Rows += other.Rows
	t.Amount += other.Amount
}

// account counts a row by what its command returned. An error that is no refusal is given back.
func (r *Result) account(row Row, known bool, err error) error {
	var reason order.Refusal
	switch {
	case errors.As(err, &reason):
		r.refuse(reason, Refused{Tally: Total([]Row{row}), Lines: []int{row.Number}})
	case err != nil:
		return err
	case known:
		r.Known.add(row)
	default:
		r.Recorded.add(row)
	}
	return nil
}

func (r *Result) refuse(reason order.Refusal, more Refused) {
	if r.Refused == nil {
		r.Refused = make(map[order.Refusal]Refused)
	}
	refused := r.Refused[reason]
	refused.join(more.Tally)
	refused.Lines = append(refused.Lines, more.Lines...)
	r.Refused[reason] = refused
}

func (r *Result) join(other Result) {
	r.Invoices += other.Invoices
	r.Recorded.join(other.Recorded)
	r.Known.join(other.Known)
	for reason, refused := range other.Refused {
		r.refuse(reason, refused)
	}
}
