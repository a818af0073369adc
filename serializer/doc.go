// Package serializer maps the names under which events and snapshots are stored to Go types, and their payloads to
// bytes.
//
// The identity of what is stored is a name and a schema version, both given when a type is registered. The Go type's
// own name and package are not stored, so they can change freely:
//
//	reg := serializer.NewRegistry(nil)
//	serializer.Register[Placed](reg, "order.placed")
//	serializer.Register[LineAdded](reg, "order.line_added", serializer.Version(2))
//	serializer.Register[Paid](reg, "order.paid", serializer.Alias("order.payment_received"))
//
// Registration reads as a list: a mistake is kept and reported by [Registry.Err], which eventstore.New returns.
//
// Payloads of earlier schema versions are carried forward by package upcaster before they are decoded here.
package serializer
