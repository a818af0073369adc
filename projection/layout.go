package projection

import (
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore"
)

// layout is how one version of a projection is cut into partitions. It never changes: another number of partitions is
// another layout, with an epoch and rows of its own, that goes on where the one before it stood.
type layout struct {
	Epoch      int   `json:"epoch"` // 1 for a projection's first layout
	Version    int   `json:"version"`
	Partitions int   `json:"partitions"`
	Start      int64 `json:"start,omitempty"` // where the partitions begin: everything up to here is handled
	// Silent is the barrier at which the version was switched to: up to there side effects were for the one before it to do.
	Silent int64 `json:"silent,omitempty"`
	// Done holds the positions at which the partitions of earlier layouts ended, as far as they had come further than
	// Start: Done[i][k] is that of partition k of len(Done[i]).
	Done [][]int64 `json:"done,omitempty"`
}

// part is one partition of a layout.
type part struct {
	projection string
	layout     layout
	number     int // from 0
}

func (l layout) parts(projection string) []part {
	all := make([]part, l.Partitions)
	for k := range all {
		all[k] = part{projection: projection, layout: l, number: k}
	}
	return all
}

// row names the lease and checkpoint of a partition. That of a projection which has only ever had one partition is the
// projection's name; no projection's name has an @ in it.
func (p part) row() string {
	if p.layout.Epoch == 1 && p.layout.Partitions == 1 {
		return p.projection
	}
	return fmt.Sprintf("%s@%d#%d/%d", p.projection, p.layout.Epoch, p.number, p.layout.Partitions)
}

// label tells people which partition is meant.
func (p part) label() string { return fmt.Sprintf("%d/%d", p.number, p.layout.Partitions) }

// takes returns the test for the events that this partition is to handle, nil if it is to handle all.
func (p part) takes() func(stream eventstore.StreamID, position int64) bool {
	if p.layout.Partitions == 1 && len(p.layout.Done) == 0 {
		return nil
	}
	return func(stream eventstore.StreamID, position int64) bool {
		h := hash(stream)
		return among(h, p.layout.Partitions) == p.number && position > p.layout.done(h)
	}
}

// owns reports whether a stream belongs to the partition.
func (p part) owns(stream eventstore.StreamID) bool {
	return among(hash(stream), p.layout.Partitions) == p.number
}

// done returns up to where earlier layouts have handled the events of streams with a hash, or passed them by if the stream
// is parked. It is 0 if that is no further than Start.
func (l layout) done(h uint64) (last int64) {
	for _, at := range l.Done {
		last = max(last, at[among(h, len(at))])
	}
	return last
}

// furthest returns the highest position that an earlier layout has come to with any stream, 0 if that is not beyond Start.
func (l layout) furthest() (position int64) {
	for _, at := range l.Done {
		position = max(position, slices.Max(at))
	}
	return position
}

// after returns the layout of n partitions that goes on where this one, whose partitions stand at the positions at, ends.
func (l layout) after(at []int64, n, epoch int) layout {
	next := layout{Epoch: epoch, Version: l.Version, Partitions: n, Start: slices.Min(at), Silent: l.Silent}
	for _, done := range append(slices.Clone(l.Done), at) {
		if slices.Max(done) > next.Start {
			next.Done = append(next.Done, done)
		}
	}
	return next
}

func among(h uint64, n int) int { return int(h % uint64(n)) }

// hash is FNV-1a of the stream's String. It decides in which partition a stream's checkpoint is, so it never changes.
func hash(s eventstore.StreamID) uint64 {
	h := uint64(14695981039346656037)
	for _, text := range [...]string{s.Type, "-", s.ID} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	return h
}
