package projection

import "context"

type deliveryKey struct{}

// delivery is what a handler can learn from its context about what it is called for.
type delivery struct {
	version    int
	rebuilding bool
}

func deliver(ctx context.Context, version int, rebuilding bool) context.Context {
	return context.WithValue(ctx, deliveryKey{}, delivery{version, rebuilding})
}

// Version returns the version of the projection that a handler, OnRebuild or OnSwitch is called for: 1 to begin with, and
// one more for each Rebuild. A handler that keeps each version in a table of its own finds its table by it.
func Version(ctx context.Context) int {
	if d, ok := ctx.Value(deliveryKey{}).(delivery); ok {
		return d.version
	}
	return 1
}

// Rebuilding reports whether a handler is called for a version that is being built, and that nobody reads yet, or for an event
// that was parked in it then. Handlers of SideEffect are not called in these cases; one of OnBatch that has side effects is
// to keep them to itself.
func Rebuilding(ctx context.Context) bool {
	d, _ := ctx.Value(deliveryKey{}).(delivery)
	return d.rebuilding
}
