package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/eventstore/drivertest"
)

// mutant is a driver with one mistake, and the rules of which a history that shows it breaks one.
type mutant struct {
	name  string
	rules []string
	spoil func(b *broken)
}

// lag makes every call take its time, before it does anything and after it has: so calls overlap. Inside a bubble of
// testing/synctest this costs nothing, and one seed makes nearly the same history each time.
type lag struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (l *lag) sleep() {
	l.mu.Lock()
	d := time.Duration(l.rng.IntN(1000)) * time.Microsecond
	l.mu.Unlock()
	time.Sleep(d)
}

func lagging[Q, A any](l *lag, call func(ctx context.Context, q Q) (A, error)) func(ctx context.Context, q Q) (A, error) {
	return func(ctx context.Context, q Q) (A, error) {
		l.sleep()
		defer l.sleep()
		return call(ctx, q)
	}
}

// lagging puts the lag around a driver that may be broken already.
func (b *broken) lagging(l *lag) {
	b.commit = lagging(l, b.commit)
	b.readStream = lagging(l, b.readStream)
	b.readAll = lagging(l, b.readAll)
}

func (m *mutant) opener(seed uint64) drivertest.Opener {
	return func(context.Context) (*drivertest.Database, error) {
		l := &lag{rng: rand.New(rand.NewPCG(seed, 7))}
		db := newToy().database(func(h *toyHandle) driver.Store {
			b := newBroken(h)
			m.spoil(b)
			b.lagging(l)
			return b
		})
		return db, nil
	}
}

// history makes the history of a seed in a bubble. What it returns is nil for a sound driver.
func (m *mutant) history(t *testing.T, seed uint64) (err error) {
	synctest.Test(t, func(t *testing.T) {
		err = drivertest.CheckHistory(t.Context(), m.opener(seed), &drivertest.HistoryOptions{Seed: seed})
	})
	return err
}

// Of some histories at least one must show each mistake. The rarest of them shows in one of five.
func TestHistoriesShowMutants(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(100) {
				err := m.history(t, seed+1)
				if err == nil {
					continue
				}
				t.Log(err)
				var v *drivertest.Violation
				require.ErrorAs(t, err, &v)
				require.Contains(t, m.rules, v.Rule)
				return
			}
			t.Fatal("no history shows the mistake")
		})
	}
}

func TestHistoriesOfASoundDriverHaveNoViolation(t *testing.T) {
	sound := mutant{spoil: func(*broken) {}}
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed+1), func(t *testing.T) {
			t.Parallel()
			require.NoError(t, sound.history(t, seed+1))
		})
	}
}

func mutants() []mutant {
	return slices.Concat(appendMutants(), atomicityMutants(), retryMutants(), readMutants(), logMutants(), batchMutants())
}

// after has commit do something else with what a sound commit returns.
func (b *broken) after(f func(ctx context.Context, writes []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error)) {
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		receipts, err := b.toyHandle.Commit(ctx, writes)
		return f(ctx, writes, receipts, err)
	}
}

func appendMutants() []mutant {
	return []mutant{
		{"checks the version without a lock", []string{"versions", "expectations", "linearizable", "receipts"}, func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				for _, w := range writes {
					if actual := b.versionOf(ctx, w.Stream); !w.Expected.Met(actual) {
						return b.toyHandle.Commit(ctx, writes)
					}
				}
				time.Sleep(time.Millisecond)
				return b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
			}
		}},
		{"swallows a conflict", []string{"expectations"}, func(b *broken) {
			lenient := every(5)
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if lenient() {
					writes = expecting(writes, anyVersion)
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{"acknowledges an append that met a conflict", []string{"nothing lost", "receipts"}, func(b *broken) {
			b.after(func(ctx context.Context, writes []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				if conflict := (*driver.ConflictError)(nil); errors.As(err, &conflict) && len(writes) == 1 && len(writes[0].Events) > 0 {
					return []driver.Receipt{{Version: conflict.Actual + 1, Position: conflict.Actual + 1}}, nil
				}
				return receipts, err
			})
		}},
		{"acknowledges before it commits", []string{"linearizable", "fresh"}, acknowledgesEarly},
		{"tells a conflict with the version of a moment ago", []string{"linearizable", "expectations", "receipts"}, func(b *broken) {
			b.after(func(ctx context.Context, _ []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				if conflict := (*driver.ConflictError)(nil); errors.As(err, &conflict) && conflict.Actual > 3 {
					return nil, &driver.ConflictError{Stream: conflict.Stream, Actual: conflict.Actual - 1}
				}
				return receipts, err
			})
		}},
		{"puts a batch's events into another order", []string{"whole", "nothing lost", "receipts"}, func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(ctx, changed(writes, func(events []driver.Event) []driver.Event {
					slices.Reverse(events[max(0, len(events)-2):])
					return events
				}))
			}
		}},
		{"tells the first event's position", []string{"receipts"}, func(b *broken) {
			b.after(func(_ context.Context, writes []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				for i := range receipts {
					receipts[i].Position -= int64(max(0, len(writes[i].Events)-1))
				}
				return receipts, err
			})
		}},
		{"lets the database's own error through", []string{"errors"}, func(b *broken) {
			b.after(func(_ context.Context, _ []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				if conflict := (*driver.ConflictError)(nil); errors.As(err, &conflict) {
					return nil, errRaw
				}
				return receipts, err
			})
		}},
	}
}

// acknowledgesEarly answers before the events can be seen, now and then.
func acknowledgesEarly(b *broken) {
	early := every(5)
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		if !early() || b.inside(ctx) {
			return b.toyHandle.Commit(ctx, writes)
		}
		type answer struct {
			receipts []driver.Receipt
			err      error
		}
		answers := make(chan answer, 1)
		go func() {
			err := b.run(context.WithoutCancel(ctx), false, func(tx *toyTx) error {
				receipts, err := tx.write(ctx, writes)
				answers <- answer{receipts, err}
				time.Sleep(3 * time.Millisecond)
				return err
			})
			_ = err
		}()
		a := <-answers
		return a.receipts, a.err
	}
}

// changed returns writes with other events.
func changed(writes []driver.Write, f func(events []driver.Event) []driver.Event) []driver.Write {
	writes = slices.Clone(writes)
	for i, w := range writes {
		writes[i].Events = f(slices.Clone(w.Events))
	}
	return writes
}

func atomicityMutants() []mutant {
	return []mutant{
		{"tears an AppendAll that meets a conflict", []string{"nothing else", "linearizable", "once"}, func(b *broken) {
			b.commit = b.writeByWrite(func() {})
		}},
		{"commits an AppendAll write by write under its readers' eyes", []string{"linearizable", "nothing else", "real time", "whole"}, func(b *broken) {
			tears := b.writeByWrite(func() { time.Sleep(time.Millisecond) })
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if slices.ContainsFunc(writes, func(w driver.Write) bool { return w.Expected != driver.Any }) {
					return b.toyHandle.Commit(ctx, writes)
				}
				return tears(ctx, writes)
			}
		}},
		{"loses the tail of a batch", []string{"nothing lost", "receipts"}, func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				return b.toyHandle.Commit(ctx, changed(writes, func(events []driver.Event) []driver.Event { return events[:min(5, len(events))] }))
			}
		}},
		{"keeps what a rolled-back transaction wrote", []string{"nothing else", "receipts", "reads", "linearizable", "real time", "ends", "whole"}, func(b *broken) {
			turn := every(3)
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				var failed error
				err := b.toyHandle.Transact(ctx, func(ctx context.Context) error {
					failed = fn(ctx)
					if turn() {
						return nil
					}
					return failed
				})
				return errors.Join(failed, err)
			}
		}},
		{"rolls back a transaction and says nothing", []string{"nothing lost", "receipts"}, func(b *broken) {
			turn := every(3)
			b.transact = func(ctx context.Context, fn func(ctx context.Context) error) error {
				err := b.toyHandle.Transact(ctx, func(ctx context.Context) error {
					if err := fn(ctx); err != nil {
						return err
					}
					if turn() {
						return errSilent
					}
					return nil
				})
				if errors.Is(err, errSilent) {
					return nil
				}
				return err
			}
		}},
		{"commits a part of a transaction at once", []string{"nothing else", "reads", "linearizable", "receipts", "ends"}, func(b *broken) {
			turn := every(3)
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if tx, _ := b.carried(ctx); tx != nil && len(tx.pending) == 0 && turn() {
					return b.toyHandle.Commit(outside(ctx), writes)
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{"looks at a stream that is only checked without a lock", []string{"linearizable"}, checksUnguarded},
	}
}

var errSilent = errors.New("rolled back in silence")

// checksUnguarded looks at streams that are only checked, takes a rest, and commits the other writes.
func checksUnguarded(b *broken) {
	b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
		only := func(w driver.Write) bool { return len(w.Events) == 0 }
		rest := slices.DeleteFunc(slices.Clone(writes), only)
		if len(rest) == 0 || len(rest) == len(writes) || b.inside(ctx) {
			return b.toyHandle.Commit(ctx, writes)
		}
		checked, err := b.toyHandle.Commit(ctx, slices.DeleteFunc(slices.Clone(writes), func(w driver.Write) bool { return !only(w) }))
		if err != nil {
			return b.toyHandle.Commit(ctx, writes)
		}
		time.Sleep(2 * time.Millisecond)
		written, err := b.toyHandle.Commit(ctx, rest)
		if err != nil {
			return nil, err
		}
		receipts := make([]driver.Receipt, len(writes))
		for i, w := range writes {
			list := &written
			if only(w) {
				list = &checked
			}
			receipts[i], *list = (*list)[0], (*list)[1:]
		}
		return receipts, nil
	}
}

func retryMutants() []mutant {
	return []mutant{
		{"stores a retry again", []string{"once"}, func(b *broken) {
			b.after(func(ctx context.Context, writes []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				if storedIn(err) == nil {
					return receipts, err
				}
				return b.twice(ctx, writes)
			})
		}},
		{"looks for conflicts before it looks for duplicates", []string{"linearizable", "receipts"}, func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				for _, w := range writes {
					if actual := b.versionOf(ctx, w.Stream); !w.Expected.Met(actual) {
						return nil, &driver.ConflictError{Stream: w.Stream, Actual: actual}
					}
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{"answers a retry with a receipt of now", []string{"receipts", "once", "nothing lost"}, func(b *broken) {
			b.after(func(ctx context.Context, writes []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				if records := storedIn(err); records != nil && len(writes) == 1 {
					return []driver.Receipt{{Version: b.versionOf(ctx, writes[0].Stream), Position: last(records).Position}}, nil
				}
				return receipts, err
			})
		}},
		{"takes a lost connection for a success", []string{"nothing lost", "receipts", "expectations", "linearizable"}, func(b *broken) {
			b.after(func(_ context.Context, writes []driver.Write, receipts []driver.Receipt, err error) ([]driver.Receipt, error) {
				if errors.Is(err, driver.ErrUnavailable) {
					return make([]driver.Receipt, len(writes)), nil
				}
				return receipts, err
			})
		}},
		{"comes back from an outage without its newest commit", []string{"nothing lost", "receipts", "reads", "log"}, func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if fails, _ := b.db.cutOff(); fails {
					b.db.loseNewest()
					return nil, driver.ErrUnavailable
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
		{"comes back from a restart without its newest commit", []string{"nothing lost"}, func(b *broken) { b.db.loseNewest() }},
		{"leaves half of an append when the connection is lost", []string{"whole", "receipts"}, func(b *broken) {
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				if fails, _ := b.db.cutOff(); fails && len(writes[0].Events) > 1 {
					_, _ = b.toyHandle.Commit(ctx, partOf(writes))
					return nil, driver.ErrUnavailable
				}
				return b.toyHandle.Commit(ctx, writes)
			}
		}},
	}
}

func last[T any](list []T) T { return list[len(list)-1] }

// twice stores events whose ids are stored already.
func (b *broken) twice(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
	b.db.mu.Lock()
	for _, w := range writes {
		for _, e := range w.Events {
			delete(b.db.ids, e.ID)
		}
	}
	b.db.mu.Unlock()
	return b.toyHandle.Commit(ctx, expecting(writes, anyVersion))
}
