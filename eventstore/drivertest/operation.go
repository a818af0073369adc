package drivertest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// said returns words that need no ranks.
func said(format string, args ...any) func(s *side) string {
	text := fmt.Sprintf(format, args...)
	return func(*side) string { return text }
}

func commitOperation(writes []driver.Write) operation {
	parts := make([]string, len(writes))
	for i, w := range writes {
		parts[i] = fmt.Sprintf("append %d events to %q expecting %v", len(w.Events), w.Stream, w.Expected)
	}
	return operation{text: strings.Join(parts, ", "), run: func(ctx context.Context, s *side) (func(s *side) string, error) {
		receipts, err := s.commit(ctx, writes...)
		var conflict *driver.ConflictError
		switch {
		case errors.As(err, &conflict):
			return said("conflict in stream %q at version %d", conflict.Stream, conflict.Actual), nil
		case storedIn(err) != nil:
			return said("%s", describeAll("stored already", storedIn(err))), nil
		case err != nil:
			return nil, err
		}
		inside := false
		if s.transactor != nil {
			if inside, err = s.transactor.InTransaction(ctx); err != nil {
				return nil, err
			}
		}
		return func(s *side) string { return describeReceipts(s, receipts, inside) }, nil
	}}
}

// describeReceipts leaves the positions of a transaction out: it may be rolled back.
func describeReceipts(s *side, receipts []driver.Receipt, inside bool) string {
	lines := make([]string, len(receipts))
	for i, r := range receipts {
		lines[i] = fmt.Sprintf("version %d", r.Version)
		if !inside {
			lines[i] += fmt.Sprintf(" at event %d of the log", s.rank(r.Position))
		}
	}
	return strings.Join(lines, "\n")
}

func streamOperation(q driver.StreamQuery) operation {
	return operation{text: fmt.Sprintf("read stream %q, %s", q.Stream, describe(q)),
		run: func(ctx context.Context, s *side) (func(s *side) string, error) {
			page, err := s.drv.ReadStream(ctx, q)
			return said("%s", describeAll("page", page)), err
		}}
}

// logOperation reads after the event of a rank. The head of a page that was cut may be old.
func logOperation(after int, q driver.AllQuery) operation {
	return operation{text: fmt.Sprintf("read the log after event %d of it, types %q, stream types %q, limit %d%s", after, q.Types, q.StreamTypes,
		q.Limit, describeBytes(q.MaxBytes)),
		run: func(ctx context.Context, s *side) (func(s *side) string, error) {
			q := q
			q.After = s.position(after)
			page, err := readPage(ctx, s.drv, q)
			return func(s *side) string {
				text := fmt.Sprintf("%s\nnext %d", describeAll("page", page.Records), s.rank(page.Next))
				if !wasCut(q, page) {
					text += fmt.Sprintf(" head %d", s.rank(page.Head))
				}
				return text
			}, err
		}}
}

func snapshotOperation(snap driver.Snapshot) operation {
	return operation{text: fmt.Sprintf("save and load a snapshot of stream %q, version %d", snap.Stream, snap.Version),
		run: func(ctx context.Context, s *side) (func(s *side) string, error) {
			if err := s.snapshots.SaveSnapshot(ctx, snap); err != nil {
				return nil, err
			}
			got, ok, err := s.snapshots.LoadSnapshot(ctx, snap.Stream)
			return said("%v %q %d %s v%d %s %s %v", ok, got.Stream, got.Version, got.Type, got.Schema, got.ContentType, got.Data,
				got.RecordedAt), err
		}}
}

func checkpointOperation(name string, from, to int64) operation {
	return operation{text: fmt.Sprintf("move checkpoint %q from %d to %d", name, from, to),
		run: func(ctx context.Context, s *side) (func(s *side) string, error) {
			moving := s.checkpoints.SaveCheckpoint(ctx, name, from, to, someTime)
			if moving != nil && !errors.Is(moving, driver.ErrCheckpointMoved) {
				return nil, moving
			}
			position, err := s.checkpoints.LoadCheckpoint(ctx, name)
			return said("moved: %v, now at %d", moving == nil, position), err
		}}
}

func transactionOperation(parts []operation, commit bool) operation {
	var text strings.Builder
	for _, part := range parts {
		text.WriteString("\n\t" + part.text)
	}
	return operation{text: fmt.Sprintf("a transaction (committed: %v):%s", commit, text.String()),
		run: func(ctx context.Context, s *side) (func(s *side) string, error) {
			var results []func(s *side) string
			err := s.transactor.Transact(ctx, func(ctx context.Context) error {
				for i, part := range parts {
					words, err := part.run(ctx, s)
					if err != nil {
						return fmt.Errorf("part %d: %w", i+1, err)
					}
					results = append(results, words)
				}
				if !commit {
					return errRollback
				}
				return nil
			})
			if !commit && errors.Is(err, errRollback) {
				err = nil
			}
			return joined(results), err
		}}
}

func joined(results []func(s *side) string) func(s *side) string {
	return func(s *side) string {
		lines := make([]string, len(results))
		for i, words := range results {
			lines[i] = words(s)
		}
		return strings.Join(lines, "\n")
	}
}

// describeAll puts records into words, all but their positions.
func describeAll(what string, records []driver.Record) string {
	lines := []string{fmt.Sprintf("%s: %d events", what, len(records))}
	for _, r := range records {
		content := fnv.New64a()
		fmt.Fprintf(content, "%s %q %q %q %v", r.ContentType, r.Data, r.Metadata, r.Tags, r.RecordedAt)
		lines = append(lines, fmt.Sprintf("\t%s version %d of %q, %s v%d, append of %d, %d bytes of data, content %x", r.ID, r.Version, r.Stream,
			r.Type, r.Schema, r.AppendSize, len(r.Data), content.Sum64()))
	}
	return strings.Join(lines, "\n")
}
