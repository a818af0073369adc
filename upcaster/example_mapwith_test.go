package upcaster_test

import (
	"fmt"

	"github.com/tidemark-go/tidemark/upcaster"
)

// moveOperator is for lines that were added when who did it was still part of the payload.
func moveOperator(e *upcaster.Event, fields map[string]any) error {
	if operator, ok := fields["operator"].(string); ok {
		e.Metadata["operator"] = operator
	}
	delete(fields, "operator")
	return nil
}

func ExampleMapWith() {
	chain, err := upcaster.New(
		upcaster.MapWith(upcaster.V("order.line_added", 1), upcaster.V("order.line_added", 2), moveOperator),
	)
	check(err)
	events, err := chain.Upcast(upcaster.Event{
		Type:        upcaster.V("order.line_added", 1),
		ContentType: "application/json",
		Data:        []byte(`{"sku":"mug","operator":"bo"}`),
		Metadata:    map[string]string{"correlation_id": "c1"},
	}, codec)
	check(err)
	fmt.Println(events[0].Type, string(events[0].Data), events[0].Metadata)
	// Output: order.line_added v2 {"sku":"mug"} map[correlation_id:c1 operator:bo]
}
