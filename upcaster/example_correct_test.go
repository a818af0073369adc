package upcaster_test

import (
	"encoding/json"
	"time"

	"github.com/tidemark-go/tidemark/upcaster"
)

// The release of these two days stored quantities that were one too high.
var (
	brokenSince = time.Date(2024, 2, 28, 9, 30, 0, 0, time.UTC)
	brokenUntil = time.Date(2024, 2, 29, 16, 45, 0, 0, time.UTC)
)

func oneLess(e *upcaster.Event, fields map[string]any) error {
	if e.RecordedAt.Before(brokenSince) || e.RecordedAt.After(brokenUntil) {
		return nil
	}
	quantity, err := fields["quantity"].(json.Number).Int64()
	fields["quantity"] = quantity - 1
	return err
}

// Wrong data that somebody still has to read is corrected each time it is read.
func ExampleMapWith_correct() {
	chain, err := upcaster.New(
		upcaster.MapWith(upcaster.V("order.line_returned", 1), upcaster.V("order.line_returned", 2), oneLess),
	)
	check(err)
	show(chain, upcaster.V("order.line_returned", 1), `{"sku":"mug","quantity":3}`)
	// Output: order.line_returned v2 {"quantity":2,"sku":"mug"}
}
