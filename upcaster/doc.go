// Package upcaster carries stored events forward to the schema versions that the code of today understands.
//
// An event's payload never changes once it is stored. When its Go type does, a step is added that turns the older
// payload into the newer one each time it is read:
//
//	chain, err := upcaster.New(
//		upcaster.Struct(upcaster.V("order.placed", 1), upcaster.V("order.placed", 2), withCurrency),
//		upcaster.Rename(upcaster.V("order.payment_received", 1), upcaster.V("order.paid", 1)),
//		upcaster.Drop(upcaster.V("order.viewed", 1)),
//	)
//	store, err := eventstore.New(drv, reg, &eventstore.Options{Upcasters: chain})
//
// There are five kinds of step: [Struct] from one Go struct to the next, [Map] for an edit of the fields, [Rename] for
// the same payload under another identity, [Split] into any number of events, and [Drop].
//
// Steps run again at every read, by many goroutines at once. Their functions must give the same result each time, so
// they neither read the clock nor ask a service.
package upcaster
