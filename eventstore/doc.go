// Package eventstore stores events in streams and reads them back, stream by stream or as one global log.
//
// A [Store] sits on a driver (packages drivers/sqlite, drivers/postgres, drivers/memory) and a serializer.Registry that
// knows the events' Go types:
//
//	drv, err := sqlite.Open(ctx, "orders.db", nil)
//	store, err := eventstore.New(drv, reg, nil)
//
// Append checks the version that the writer expects, so that of two writers who decided on the same state one gets a
// [ConflictError]. The global log ends at the tide mark ([Store.Head]): the position up to which every event is known.
// A reader that continues from Page.Next never skips an event, and no writer ever waits for another stream's writer to
// make that so.
//
// Most programs use a Store through package repository (aggregates) and package projection (read models).
package eventstore
