package drivertest_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func leaseFlaws() []flaw {
	return slices.Concat(acquireFlaws(), tokenFlaws(), saveLeaseFlaws(), leaseContentFlaws(), leaseListFlaws(), leaseRaceFlaws(),
		leaseTransactionFlaws())
}

// acquires has f change what Acquire is given, or what it makes of it.
func acquires(f func(b *broken, name, owner *string, now, until *time.Time)) func(b *broken) {
	return func(b *broken) {
		b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
			f(b, &name, &owner, &now, &until)
			return b.toyHandle.Acquire(ctx, name, owner, now, until)
		}
	}
}

// storedLease is a lease as everybody sees it.
func (b *broken) storedLease(name string) driver.Lease {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	l, _ := b.db.state[checkpointKey(name)].(driver.Lease)
	return l
}

// forceLease stores a lease past every lock.
func (b *broken) forceLease(l driver.Lease) {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	b.db.state[checkpointKey(l.Name)] = clonedLease(l)
}

func acquireFlaws() []flaw {
	const denied = "Leaser/a lease is denied to others until its time is over"
	return []flaw{
		{name: "it gives a lease to whoever asks", catches: []catch{{denied, "want a *driver.HeldError, got <nil>"}},
			spoil: func(b *broken) {
				b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
					l := b.storedLease(name)
					l.Until = time.Time{}
					b.forceLease(l)
					return b.toyHandle.Acquire(ctx, name, owner, now, until)
				}
			}},
		{name: "a lease ends a moment late", catches: []catch{{denied, `acquire lease "a" for two`}},
			spoil: func(b *broken) {
				b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
					if l := b.storedLease(name); l.Owner != owner && l.Until.Equal(now) {
						return driver.Lease{}, &driver.HeldError{Lease: l}
					}
					return b.toyHandle.Acquire(ctx, name, owner, now, until)
				}
			}},
		{name: "it does not say whose a lease is", catches: []catch{{denied, "lease of the *driver.HeldError: token: want 1, got 0"}},
			spoil: func(b *broken) {
				b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
					lease, err := b.toyHandle.Acquire(ctx, name, owner, now, until)
					if err != nil {
						err = &driver.HeldError{Lease: driver.Lease{Name: name}}
					}
					return lease, err
				}
			}},
		{name: "a new owner begins without the document", catches: []catch{{denied, "document after a change of owner"}},
			spoil: func(b *broken) {
				b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
					lease, err := b.toyHandle.Acquire(ctx, name, owner, now, until)
					lease.State = nil
					return lease, err
				}
			}},
	}
}

func tokenFlaws() []flaw {
	const renewed, released = "Leaser/an owner renews its lease, even late", "Leaser/a released lease is free at once, under a new token"
	return []flaw{
		{name: "a renewed lease has a new token", catches: []catch{{renewed, "token: want 1, got 2"}},
			spoil: acquires(func(b *broken, name, _ *string, now, _ *time.Time) {
				_ = b.toyHandle.ReleaseLease(context.Background(), *name, b.storedLease(*name).Token, *now)
			})},
		{name: "an owner that comes late has lost its lease", catches: []catch{{renewed, "after 1h0m0s: token: want 1, got 2"}},
			spoil: acquires(func(b *broken, name, _ *string, now, _ *time.Time) {
				if l := b.storedLease(*name); !l.Until.After(*now) {
					_ = b.toyHandle.ReleaseLease(context.Background(), *name, l.Token, *now)
				}
			})},
		{name: "it releases a lease whatever the token", catches: []catch{{released, `owner: want "one", got ""`}},
			spoil: func(b *broken) {
				b.releaseLease = func(ctx context.Context, name string, _ int64, at time.Time) error {
					return b.toyHandle.ReleaseLease(ctx, name, b.storedLease(name).Token, at)
				}
			}},
		{name: "a release only ends the lease's time", catches: []catch{{released, `owner: want "", got "one"`}},
			spoil: func(b *broken) {
				b.releaseLease = func(_ context.Context, name string, token int64, at time.Time) error {
					if l := b.storedLease(name); l.Token == token {
						l.Until, l.UpdatedAt = at, at
						b.forceLease(l)
					}
					return nil
				}
			}},
		{name: "a released lease forgets its token", catches: []catch{{released, "acquired by one after a release is 1, it was 1"}},
			spoil: acquires(func(b *broken, name, _ *string, _, _ *time.Time) {
				if l := b.storedLease(*name); l.Owner == "" && l.Name != "" {
					l.Token = 0
					b.forceLease(l)
				}
			})},
	}
}

// savesLeaseIf has SaveLease overlook what f makes good.
func savesLeaseIf(f func(stored driver.Lease, l *driver.Lease, from *int64)) func(b *broken) {
	return func(b *broken) {
		b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
			f(b.storedLease(l.Name), &l, &from)
			return b.toyHandle.SaveLease(ctx, l, from, at)
		}
	}
}

func saveLeaseFlaws() []flaw {
	const only = "Leaser/only the current owner saves"
	return []flaw{
		{name: "it saves a lease for an owner that was replaced", catches: []catch{{only, "save a lease as an owner that was replaced: want"}},
			spoil: savesLeaseIf(func(stored driver.Lease, l *driver.Lease, _ *int64) {
				if l.Owner != stored.Owner && l.Token < stored.Token {
					l.Owner, l.Token = stored.Owner, stored.Token
				}
			})},
		{name: "it compares the owner and not the token", catches: []catch{
			{"Leaser/an owner that has its lease back saves under the new token alone", "save a lease under token 1 as its owner, whose token is 3: want"},
		}, spoil: savesLeaseIf(func(stored driver.Lease, l *driver.Lease, _ *int64) {
			if l.Owner == stored.Owner {
				l.Token = stored.Token
			}
		})},
		{name: "it lets older tokens lose and newer ones pass", catches: []catch{
			{"Leaser/an owner that has its lease back saves under the new token alone", "save a lease under token 4 as its owner, whose token is 3: want"},
		}, spoil: savesLeaseIf(func(stored driver.Lease, l *driver.Lease, _ *int64) { l.Token = min(l.Token, stored.Token) })},
		{name: "it takes the token for the owner", catches: []catch{{only, "save a lease as somebody with the owner's token"}},
			spoil: savesLeaseIf(func(stored driver.Lease, l *driver.Lease, _ *int64) { l.Owner = stored.Owner })},
		{name: "an owner whose time is over can't save", catches: []catch{{only, `save lease "a" at position 5`}},
			spoil: func(b *broken) {
				b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
					if !b.storedLease(l.Name).Until.After(at) {
						return driver.ErrLeaseLost
					}
					return b.toyHandle.SaveLease(ctx, l, from, at)
				}
			}},
		{name: "it says that the position has moved to one who has lost the lease", catches: []catch{{only, "checkpoint was moved"}},
			spoil: func(b *broken) {
				b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
					if b.storedLease(l.Name).Position != from {
						return driver.ErrCheckpointMoved
					}
					return b.toyHandle.SaveLease(ctx, l, from, at)
				}
			}},
		{name: "it saves a lease that was released", catches: []catch{{only, "save a lease after it was released"}},
			spoil: func(b *broken) {
				b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
					if stored := b.storedLease(l.Name); stored.Name != "" && stored.Owner == "" {
						stored.Owner = l.Owner
						b.forceLease(stored)
					}
					return b.toyHandle.SaveLease(ctx, l, from, at)
				}
			}},
		{name: "it saves a lease from wherever it is", catches: []catch{{"Leaser/a lease is saved from where it is", "want an error that wraps"}},
			spoil: savesLeaseIf(func(stored driver.Lease, _ *driver.Lease, from *int64) { *from = stored.Position })},
		{name: "a checkpoint has nothing to do with a lease", catches: []catch{{"Leaser/a lease is the checkpoint of the same name", `lease "a" is not listed`}},
			spoil: func(b *broken) {
				b.saveCheckpoint = func(ctx context.Context, name string, from, to int64, at time.Time) error {
					return b.toyHandle.SaveCheckpoint(ctx, "checkpoint of "+name, from, to, at)
				}
			}},
		{name: "moving a checkpoint ends its lease", catches: []catch{{"Leaser/a lease is the checkpoint of the same name", `owner: want "one", got ""`}},
			spoil: func(b *broken) {
				b.saveCheckpoint = func(ctx context.Context, name string, from, to int64, at time.Time) error {
					_ = b.toyHandle.ReleaseLease(ctx, name, b.storedLease(name).Token, at)
					return b.toyHandle.SaveCheckpoint(ctx, name, from, to, at)
				}
			}},
	}
}

func leaseContentFlaws() []flaw {
	const roundtrip, slicesKept = "Leaser/a lease comes back as it was saved, whatever it holds", "Leaser/slices are neither kept nor shared"
	savesAs := func(f func(l *driver.Lease)) func(b *broken) {
		return savesLeaseIf(func(_ driver.Lease, l *driver.Lease, _ *int64) { f(l) })
	}
	return []flaw{
		{name: "it tidies a lease's document up", catches: []catch{{roundtrip, "state: want"}},
			spoil: savesAs(func(l *driver.Lease) { l.State = compact(l.State) })},
		{name: "it keeps no document as an empty one", catches: []catch{{roundtrip, "state: want"}},
			spoil: savesAs(func(l *driver.Lease) {
				if l.State == nil {
					l.State = []byte{}
				}
			})},
		{name: "it keeps a lease's end to the second", catches: []catch{{roundtrip, "as it is listed, after SaveLease: until: want"}},
			spoil: savesAs(func(l *driver.Lease) { l.Until = l.Until.Truncate(time.Second) })},
		{name: "it keeps positions in 32 bits", catches: []catch{{roundtrip, "position: want"}},
			spoil: savesAs(func(l *driver.Lease) { l.Position &= math.MaxInt32 })},
		{name: "it tidies the caller's document up", catches: []catch{{slicesKept, "the caller's lease after SaveLease: state"}},
			spoil: savesAs(func(l *driver.Lease) { copy(l.State, compact(l.State)) })},
		{name: "it keeps the caller's document", catches: []catch{{slicesKept, "state: want"}},
			spoil: func(b *broken) {
				b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
					err := b.toyHandle.SaveLease(ctx, l, from, at)
					l.UpdatedAt = at
					b.db.mu.Lock()
					defer b.db.mu.Unlock()
					b.db.state[checkpointKey(l.Name)] = l
					return err
				}
			}},
	}
}

// listsLeases has f change the list of all leases.
func listsLeases(f func(all []driver.Lease, prefix string) []driver.Lease) func(b *broken) {
	return func(b *broken) {
		b.leases = func(ctx context.Context, prefix string) ([]driver.Lease, error) {
			all, err := b.toyHandle.Leases(ctx, "")
			return f(all, prefix), err
		}
	}
}

func leaseListFlaws() []flaw {
	const byPrefix = "Leaser/leases are listed by the begin of their names, in order"
	return []flaw{
		{name: "it takes a percent sign for any text", catches: []catch{{byPrefix, `leases that begin with "%"`}},
			spoil: listsLeases(func(all []driver.Lease, prefix string) []driver.Lease {
				return slices.DeleteFunc(all, func(l driver.Lease) bool {
					return !strings.HasPrefix(l.Name, strings.ReplaceAll(prefix, "%", ""))
				})
			})},
		{name: "it lists leases without regard to upper and lower case", catches: []catch{{byPrefix, `leases that begin with ""`}},
			spoil: func(b *broken) {
				b.leases = func(ctx context.Context, prefix string) ([]driver.Lease, error) {
					list, err := b.toyHandle.Leases(ctx, prefix)
					slices.SortStableFunc(list, func(a, b driver.Lease) int {
						return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
					})
					return list, err
				}
			}},
		{name: "it lists no checkpoint that never had an owner", catches: []catch{{byPrefix, "names of the leases"}},
			spoil: func(b *broken) {
				b.leases = func(ctx context.Context, prefix string) ([]driver.Lease, error) {
					list, err := b.toyHandle.Leases(ctx, prefix)
					return slices.DeleteFunc(list, func(l driver.Lease) bool { return l.Token == 0 }), err
				}
			}},
	}
}

func leaseRaceFlaws() []flaw {
	return []flaw{
		{name: "it keeps leases in the process", spoil: leasesInTheProcess, catches: []catch{
			{"Leaser/a lease after a restart", `lease "a" is not listed`},
			{"Leaser/one of many that acquire wins", "owners, of 16 that acquired a lease at once: want 1"},
		}},
		{name: "it looks for the owner first and acquires then", catches: []catch{
			{"Leaser/one of many that acquire wins", "owners, of 16 that acquired a lease at once: want 1"},
		}, spoil: func(b *broken) {
			meet := meeting(5 * time.Millisecond)
			b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
				l := b.storedLease(name)
				if l.Owner != owner && l.Until.After(now) {
					return driver.Lease{}, &driver.HeldError{Lease: l}
				}
				meet()
				l.Name, l.Owner, l.Token, l.Until, l.UpdatedAt = name, owner, l.Token+1, until, now
				b.forceLease(l)
				return l, nil
			}
		}},
		{name: "it compares the token first and saves then", spoil: comparesFirst, catches: []catch{
			{"Leaser/owners that replace each other save in the order of their tokens", "the checkpoint was moved by another runner"},
		}},
	}
}

// leasesInTheProcess keeps the leases of each handle apart.
func leasesInTheProcess(b *broken) {
	own := &toyHandle{db: newToy()}
	b.acquire, b.saveLease, b.releaseLease, b.leases = own.Acquire, own.SaveLease, own.ReleaseLease, own.Leases
}

// comparesFirst leaves time for a change of owner between the comparison and the save.
func comparesFirst(b *broken) {
	meet := meeting(5 * time.Millisecond)
	b.acquire = func(ctx context.Context, name, owner string, now, until time.Time) (driver.Lease, error) {
		lease, err := b.toyHandle.Acquire(ctx, name, owner, now, until)
		if err == nil {
			meet()
		}
		return lease, err
	}
	b.saveLease = func(ctx context.Context, l driver.Lease, from int64, at time.Time) error {
		if b.storedLease(l.Name).Token != l.Token {
			return driver.ErrLeaseLost
		}
		meet()
		return b.toyHandle.SaveCheckpoint(ctx, l.Name, from, l.Position, at)
	}
}
