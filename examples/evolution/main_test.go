package main

import (
	"context"
	"fmt"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Release 1 is alone. A line is one piece.
	//    order A, read by release 1: 2 lines, 1400p (snapshot of version 3, 0 events)
	//
	// Release 2 is rolled out. Lines have a quantity; it writes them as release 1 reads them. Both add to order B:
	//    order A, read by release 1: 2 lines, 1400p (snapshot of version 3, 0 events)
	//    order A, read by release 2: 2 pieces, 1400p (replayed, the snapshot is another release's)
	//    order B, read by release 1: 2 lines, 3900p (snapshot of version 3, 0 events)
	//    order B, read by release 2: 7 pieces, 3900p (replayed, the snapshot is another release's)
	//
	// Release 3 is rolled out while the others still run. Prices have a currency, and orders are opened, not placed:
	//    order A, read by release 1: 2 lines, 1400p (snapshot of version 3, 0 events)
	//    order A, read by release 2: 2 pieces, 1400p (replayed, the snapshot is another release's)
	//    order A, read by release 3: 2 pieces, 14.00 GBP (replayed, the snapshot is another release's)
	//    order B, read by release 1: 2 lines, 3900p (snapshot of version 3, 0 events)
	//    order B, read by release 2: 7 pieces, 3900p (replayed, the snapshot is another release's)
	//    order B, read by release 3: 7 pieces, 39.00 GBP (replayed, the snapshot is another release's)
	//    order C, read by release 1: 1 lines, 1900p (replayed, the snapshot is another release's)
	//    order C, read by release 2: 2 pieces, 1900p (snapshot of version 2, 0 events)
	//    order C, read by release 3: 2 pieces, 19.00 GBP (snapshot of version 2, 0 events)
	// What they could not read is refused:
	//    eventstore: append to stream "order-D": event 2: upcaster: downcast: the step from order.line_added v3 to order.line_added v2: EUR has to wait until no earlier release runs
	//
	// Releases 1 and 2 are gone, and release 3 writes without downcasts:
	//    order A, read by release 3: 2 pieces, 14.00 GBP (replayed, the snapshot is another release's)
	//    order B, read by release 3: 7 pieces, 39.00 GBP (replayed, the snapshot is another release's)
	//    order C, read by release 3: 2 pieces, 19.00 GBP (snapshot of version 2, 0 events)
	//    order D, read by release 3: 1 pieces, 39.00 EUR (snapshot of version 2, 0 events)
	// An instance of release 2 that was forgotten does not guess:
	//    eventstore: can't decode order.opened v1, version 1 of stream "order-D" (position 9): serializer: unknown type: nothing is registered as order.opened v1; register it, give its type an alias or add an upcaster step
	//
	// What is stored, in this order and for good:
	//    A order.placed     v1 {"customer":"Ada"}
	//    A order.line_added v1 {"sku":"mug","pence":700}
	//    A order.line_added v1 {"sku":"mug","pence":700}
	//    B order.placed     v1 {"customer":"Bo"}
	//    B order.line_added v1 {"each":450,"pence":2700,"quantity":6,"sku":"plate"}
	//    B order.line_added v1 {"sku":"jug","pence":1200}
	//    C order.placed     v1 {"customer":"Cy"}
	//    C order.line_added v1 {"each":950,"pence":1900,"quantity":2,"sku":"bowl"}
	//    D order.opened     v1 {"customer":"Di"}
	//    D order.line_added v3 {"sku":"vase","quantity":1,"price":{"amount":3900,"currency":"EUR"}}
}
