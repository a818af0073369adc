package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/sales"
)

// report prints the read model.
func (d *desk) report(ctx context.Context, out io.Writer) error {
	revenue, err := sales.RevenueByMonth(ctx, d.db)
	if err != nil {
		return err
	}
	items, err := sales.BestSellers(ctx, d.db, 10)
	if err != nil {
		return err
	}
	fmt.Fprint(out, "\nRevenue in pounds\n\n")
	printRevenue(out, newPivot(revenue))
	fmt.Fprint(out, "\nBest sellers\n\n")
	printItems(out, items)
	return nil
}

const others, all = "others", "all"

// pivot is revenue with a row for each month and one for all of them, and a column for each country that brings in much.
type pivot struct {
	months, countries []string
	amount            map[[2]string]order.Money // by month and country
}

func newPivot(revenue []sales.Revenue) *pivot {
	byCountry := map[string]order.Money{}
	for _, r := range revenue {
		byCountry[r.Country] += r.Amount
	}
	best := slices.SortedFunc(maps.Keys(byCountry), func(a, b string) int {
		return cmp.Or(cmp.Compare(byCountry[b], byCountry[a]), cmp.Compare(a, b))
	})
	p := &pivot{countries: best[:min(5, len(best))], amount: map[[2]string]order.Money{}}
	for _, r := range revenue {
		p.add(r)
	}
	p.months = append(p.months, all)
	p.countries = append(p.countries, others, all)
	return p
}

func (p *pivot) add(r sales.Revenue) {
	if !slices.Contains(p.months, r.Month) {
		p.months = append(p.months, r.Month)
	}
	country := r.Country
	if !slices.Contains(p.countries, country) {
		country = others
	}
	for _, month := range []string{r.Month, all} {
		p.amount[[2]string{month, country}] += r.Amount
		p.amount[[2]string{month, all}] += r.Amount
	}
}

func printRevenue(out io.Writer, p *pivot) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "month\t%s\t\n", strings.Join(p.countries, "\t"))
	for _, month := range p.months {
		fmt.Fprintf(w, "%s\t", month)
		for _, country := range p.countries {
			fmt.Fprintf(w, "%v\t", p.amount[[2]string{month, country}])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

func printItems(out io.Writer, items []sales.Item) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "quantity\tpounds\t  item\n")
	for _, i := range items {
		fmt.Fprintf(w, "%s\t%v\t  %s %s\n", order.Thousands(i.Quantity), i.Amount, i.SKU, i.Description)
	}
	w.Flush()
}
