// Package projection follows the global log and keeps read models up to date.
//
// A [Projection] is a name and its handlers; the handlers' types say which events it gets:
//
//	revenue := projection.New("revenue", nil)
//	projection.On(revenue, func(ctx context.Context, e projection.Event[order.Paid]) error {
//		tx, _ := sqltx.From(ctx) // the transaction that the checkpoint commits in
//		_, err := tx.ExecContext(ctx, `UPDATE revenue SET cents = cents + ?`, e.Payload.Cents)
//		return err
//	})
//	runner, err := projection.NewRunner(store, nil, revenue)
//	err = runner.Run(ctx) // until ctx ends
//
// A [Runner] feeds each of its projections by itself: batch by batch up to the tide mark, then as events are committed.
// Where the driver has transactions, a batch's handlers and the projection's checkpoint commit together, so that a read
// model in the store's database has each event applied exactly once, whatever crashes. Otherwise, and for everything
// that a handler does outside of that transaction, each event is handled at least once.
//
// Of all processes that run a projection one owns it, by a lease that is checked with every commit; several share the
// partitions of a projection that has some. A handler that fails is tried again, alone and ever more slowly; then the
// projection stops, leaves the event out, or parks its stream while the others go on.
//
// [Runner.WaitFor] lets a writer read what it wrote, [Runner.Status] tells how each projection is doing, [Runner.Pause],
// [Runner.Retry] and [Runner.Rebuild] operate it, all of them from any process. [Inline] is for read models that must
// never lag. Package projectiontest tests handlers.
package projection
