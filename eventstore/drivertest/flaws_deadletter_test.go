package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// savesDead has f change what is saved of a dead letter.
func savesDead(f func(d *driver.DeadLetter)) func(b *broken) {
	return func(b *broken) {
		b.saveDead = func(ctx context.Context, d driver.DeadLetter) error {
			f(&d)
			return b.toyHandle.SaveDeadLetter(ctx, d)
		}
	}
}

// listsDead has f change what is listed of a projection's dead letters.
func listsDead(f func(all []driver.DeadLetter, after int64, limit int) []driver.DeadLetter) func(b *broken) {
	return func(b *broken) {
		b.deadLetters = func(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
			all, err := b.toyHandle.DeadLetters(ctx, projection, 0, 1000)
			return f(all, after, limit), err
		}
	}
}

func deadLetterFlaws() []flaw {
	return slices.Concat(deadContentFlaws(), deadListFlaws(), deadDeleteFlaws())
}

func deadContentFlaws() []flaw {
	const roundtrip = "DeadLetterer/a note comes back as it was saved, whatever it holds"
	return []flaw{
		{name: "it cuts a dead letter's error", catches: []catch{{roundtrip, "dead letter: want"}},
			spoil: savesDead(func(d *driver.DeadLetter) { d.Error = d.Error[:min(len(d.Error), 300)] })},
		{name: "it forgets that an event was skipped", catches: []catch{{roundtrip, "Skipped:true"}},
			spoil: savesDead(func(d *driver.DeadLetter) { d.Skipped = false })},
		{name: "it keeps a dead letter's times to the second", catches: []catch{{roundtrip, "last at: want"}},
			spoil: savesDead(func(d *driver.DeadLetter) { d.LastAt = d.LastAt.Truncate(time.Second) })},
		{name: "it keeps the first failure of a dead letter that is saved again", catches: []catch{
			{"DeadLetterer/saving again replaces all of it", "first at: want"},
		}, spoil: func(b *broken) {
			b.saveDead = func(ctx context.Context, d driver.DeadLetter) error {
				stored, err := b.toyHandle.DeadLetters(ctx, d.Projection, d.Position-1, 1)
				if len(stored) > 0 && stored[0].Position == d.Position {
					d.FirstAt = stored[0].FirstAt
				}
				return errors.Join(err, b.toyHandle.SaveDeadLetter(ctx, d))
			}
		}},
		{name: "its dead letters stay out of the transaction", catches: []catch{
			{"T1/leases and dead letters commit with the appends", `dead letters of "p"`},
			{"T1/leases and dead letters are rolled back with the appends", `dead letters of "p"`},
		}, spoil: func(b *broken) {
			b.saveDead = func(ctx context.Context, d driver.DeadLetter) error {
				return b.toyHandle.SaveDeadLetter(outside(ctx), d)
			}
		}},
	}
}

func deadListFlaws() []flaw {
	const pages = "DeadLetterer/a list is in order, and in pages"
	return []flaw{
		{name: "it lists dead letters from a position on, itself included", catches: []catch{{pages, "up to 1 dead letters after position 10"}},
			spoil: func(b *broken) {
				b.deadLetters = func(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
					return b.toyHandle.DeadLetters(ctx, projection, after-1, limit)
				}
			}},
		{name: "it lists dead letters from the latest to the first", catches: []catch{{pages, "number 1 of 1"}},
			spoil: listsDead(func(all []driver.DeadLetter, after int64, limit int) []driver.DeadLetter {
				slices.Reverse(all)
				all = slices.DeleteFunc(all, func(d driver.DeadLetter) bool { return d.Position <= after })
				return all[:min(limit, len(all))]
			})},
		{name: "it takes no notice of a list's limit", catches: []catch{{pages, "how many: want 1, got 7"}},
			spoil: listsDead(func(all []driver.DeadLetter, after int64, _ int) []driver.DeadLetter {
				return slices.DeleteFunc(all, func(d driver.DeadLetter) bool { return d.Position <= after })
			})},
		{name: "it takes upper and lower case in projections' names for the same", catches: []catch{
			{"DeadLetterer/each projection has its own", `dead letters of "B": how many: want 0, got 1`},
		}, spoil: func(b *broken) {
			savesDead(func(d *driver.DeadLetter) { d.Projection = strings.ToLower(d.Projection) })(b)
			b.deadLetters = func(ctx context.Context, projection string, after int64, limit int) ([]driver.DeadLetter, error) {
				return b.toyHandle.DeadLetters(ctx, strings.ToLower(projection), after, limit)
			}
		}},
	}
}

func deadDeleteFlaws() []flaw {
	const deletes = "DeadLetterer/what is deleted is gone, and nothing else"
	return []flaw{
		{name: "it deletes a dead letter up to its position", catches: []catch{{deletes, `dead letters of "p"`}},
			spoil: func(b *broken) {
				b.deleteDead = func(ctx context.Context, projection string, position int64) error {
					var errs []error
					for before := range position {
						errs = append(errs, b.toyHandle.DeleteDeadLetter(ctx, projection, before+1))
					}
					return errors.Join(errs...)
				}
			}},
		{name: "it deletes a position in every projection", catches: []catch{{deletes, "got \"{Projection:p Position:3"}},
			spoil: func(b *broken) {
				b.deleteDead = func(ctx context.Context, _ string, position int64) error {
					return errors.Join(b.toyHandle.DeleteDeadLetter(ctx, "p", position), b.toyHandle.DeleteDeadLetter(ctx, "q", position))
				}
			}},
		{name: "it can't delete a dead letter that is not there", catches: []catch{{deletes, "no rows"}},
			spoil: func(b *broken) {
				b.deleteDead = func(ctx context.Context, projection string, position int64) error {
					stored, err := b.toyHandle.DeadLetters(ctx, projection, position-1, 1)
					if len(stored) == 0 || stored[0].Position != position {
						return errors.Join(err, errors.New("no rows"))
					}
					return b.toyHandle.DeleteDeadLetter(ctx, projection, position)
				}
			}},
	}
}
