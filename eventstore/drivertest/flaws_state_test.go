package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func stateFlaws() []flaw {
	return slices.Concat(snapshotFlaws(), checkpointFlaws(), []flaw{
		{name: "it makes its tables anew", catches: []catch{{"Migrator/called again on a database with events", "want 3 records, got 0"}},
			spoil: func(b *broken) {
				b.migrate = func(context.Context) error {
					b.db.mu.Lock()
					defer b.db.mu.Unlock()
					clear(b.db.streams)
					b.db.log = nil
					return nil
				}
			}},
	})
}

// savesAs has f change what is saved of a snapshot.
func savesAs(f func(s *driver.Snapshot)) func(b *broken) {
	return func(b *broken) {
		b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
			f(&s)
			return b.toyHandle.SaveSnapshot(ctx, s)
		}
	}
}

func snapshotFlaws() []flaw {
	const roundtrip = "S6/a snapshot comes back as it went in, whatever it holds"
	return []flaw{
		{name: "the snapshot that was saved last stays", spoil: lastSnapshotStays, catches: []catch{
			{"S6/an older snapshot does not replace a newer one", "version: want 5, got 1"},
		}},
		{name: "it keeps the first of two snapshots of one version", catches: []catch{
			{"S6/an older snapshot does not replace a newer one", "schema: want 2, got 1"},
		}, spoil: func(b *broken) {
			b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
				if now, ok, _ := b.toyHandle.LoadSnapshot(ctx, s.Stream); ok && now.Version == s.Version {
					return nil
				}
				return b.toyHandle.SaveSnapshot(ctx, s)
			}
		}},
		{name: "it tidies the content types of snapshots up", catches: []catch{{roundtrip, "content type: want"}},
			spoil: savesAs(func(s *driver.Snapshot) { s.ContentType = strings.TrimSpace(s.ContentType) })},
		{name: "it loses a snapshot now and then", catches: []catch{
			{"S6/the newest of many that are saved at once stays", "was saved, the snapshot is of version"},
		}, spoil: func(b *broken) {
			lost := every(3)
			b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
				if lost() {
					return nil
				}
				return b.toyHandle.SaveSnapshot(ctx, s)
			}
		}},
		{name: "it tidies snapshots up", catches: []catch{{roundtrip, "data: want"}},
			spoil: savesAs(func(s *driver.Snapshot) { s.Data = compact(s.Data) })},
		{name: "it keeps a snapshot's time to the second", catches: []catch{{roundtrip, "time: want"}},
			spoil: savesAs(func(s *driver.Snapshot) { s.RecordedAt = s.RecordedAt.Truncate(time.Second) })},
		{name: "it keeps the caller's snapshot", catches: []catch{{"S6/slices are neither kept nor shared", "data: want"}},
			spoil: func(b *broken) {
				var kept sync.Map
				b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
					kept.Store(s.Stream, s)
					return b.toyHandle.SaveSnapshot(ctx, s)
				}
				b.loadSnapshot = func(ctx context.Context, stream driver.StreamID) (driver.Snapshot, bool, error) {
					s, ok := kept.Load(stream)
					return s.(driver.Snapshot), ok, nil
				}
			}},
	}
}

func lastSnapshotStays(b *broken) {
	b.saveSnapshot = func(ctx context.Context, s driver.Snapshot) error {
		b.db.mu.Lock()
		clear(b.db.state)
		b.db.mu.Unlock()
		return b.toyHandle.SaveSnapshot(ctx, s)
	}
}

func checkpointFlaws() []flaw {
	return []flaw{
		{name: "its checkpoints never move back", catches: []catch{{"Checkpointer/a position moves forward and back", "checkpoint \"a\": want 3, got 7"}},
			spoil: func(b *broken) {
				b.saveCheckpoint = func(ctx context.Context, name string, from, to int64, at time.Time) error {
					return b.toyHandle.SaveCheckpoint(ctx, name, from, max(from, to), at)
				}
			}},
		{name: "it moves a checkpoint from wherever it is", catches: []catch{
			{"Checkpointer/a position that is elsewhere is not moved", "want an error that wraps"},
			{"Checkpointer/one of many movers wins", "movers that succeeded"},
		}, spoil: func(b *broken) {
			b.saveCheckpoint = func(ctx context.Context, name string, _, to int64, at time.Time) error {
				for {
					from, err := b.toyHandle.LoadCheckpoint(ctx, name)
					if err == nil {
						err = b.toyHandle.SaveCheckpoint(ctx, name, from, to, at)
					}
					if !errors.Is(err, driver.ErrCheckpointMoved) {
						return err
					}
				}
			}
		}},
		{name: "it takes upper and lower case in names for the same", catches: []catch{
			{"Checkpointer/each name has its own", `checkpoint "B": want 0, got 1`},
		}, spoil: func(b *broken) {
			b.saveCheckpoint = func(ctx context.Context, name string, from, to int64, at time.Time) error {
				return b.toyHandle.SaveCheckpoint(ctx, strings.ToLower(name), from, to, at)
			}
			b.loadCheckpoint = func(ctx context.Context, name string) (int64, error) {
				return b.toyHandle.LoadCheckpoint(ctx, strings.ToLower(name))
			}
		}},
	}
}
