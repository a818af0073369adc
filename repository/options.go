package repository

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"
)

// Options adjusts a Repository. The zero value works.
type Options struct {
	// Snapshots decides after each save whether a snapshot follows. Anything but Never needs an
	// aggregate.Snapshotter. Default: EveryEvents(100) where the aggregate is an aggregate.Snapshotter.
	Snapshots SnapshotPolicy
	// Retries is how often Update tries again. A negative number is never. Default: 10.
	Retries int
	// Backoff is the longest wait before the first retry. It doubles with each one, up to 1 second; the actual wait is
	// anything between 0 and that, so that those who collided don't meet again. Default: 5 milliseconds.
	Backoff time.Duration
	// Logger hears of snapshots that could not be used or taken. Default: slog.Default().
	Logger *slog.Logger
	// OnLoad, if set, is called after each load that found something, those of Update included, before the aggregate is
	// used. It is called by several goroutines at a time.
	OnLoad func(Loaded)
}

func (o *Options) withDefaults() (Options, error) {
	var all Options
	if o != nil {
		all = *o
	}
	if all.Backoff < 0 {
		return all, fmt.Errorf("the option Backoff is negative: %v", all.Backoff)
	}
	if all.Snapshots == nil {
		all.Snapshots = EveryEvents(100)
	}
	all.Retries = cmp.Or(all.Retries, 10)
	all.Backoff = cmp.Or(all.Backoff, 5*time.Millisecond)
	all.Logger = cmp.Or(all.Logger, slog.Default())
	return all, nil
}
