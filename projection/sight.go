package projection

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore"
)

// sight is all that is known of a projection: what this runner's workers show, and what the rows say.
type sight struct {
	Status
	feed    *feed
	control control
	stops   []error // why it is no use to wait for a partition, by number; nil if it may be some
}

// look asks the database. If it fails, it returns what is known without.
func (r *Runner) look(ctx context.Context, f *feed) (*sight, error) {
	rs, err := r.known(ctx, f.name, f)
	return f.sight(rs), err
}

// sight joins what the board shows and what the rows say.
func (f *feed) sight(rs roster) *sight {
	v := f.board.view()
	s := &sight{Status: Status{Projection: f.name, Tenures: v.tenures}, feed: f, control: v.control}
	if doc, err := rs.control(f.name); err == nil && rs.rows != nil { // a document that is damaged keeps Run from working
		s.control = doc
	}
	s.Version = s.control.Live.Version
	for _, p := range s.control.Live.parts(f.name) {
		ps, stop := s.partition(p, rs, v)
		s.Partitions, s.stops = append(s.Partitions, ps), append(s.stops, stop)
	}
	t := sum(s.Partitions)
	s.State, s.Position, s.Rate, s.Parked, s.Owner, s.Progress = t.State, t.Position, t.Rate, t.Parked, t.Owner, t.Progress
	s.LastError, s.LastErrorAt = t.LastError, t.LastErrorAt
	s.Rebuild = s.rebuild(rs, v)
	return s
}

// rebuild returns how the version is doing that is being built.
func (s *sight) rebuild(rs roster, v view) *RebuildStatus {
	r := s.control.Rebuild
	if r == nil {
		return nil
	}
	b := &RebuildStatus{Version: r.Layout.Version, Cancelled: r.Cancelled}
	for _, p := range r.Layout.parts(s.Projection) {
		ps, _ := s.partition(p, rs, v)
		b.Partitions = append(b.Partitions, ps)
	}
	t := sum(b.Partitions)
	b.State, b.Position, b.Rate, b.Parked, b.Owner, b.Progress = t.State, t.Position, t.Rate, t.Parked, t.Owner, t.Progress
	b.LastError, b.LastErrorAt = t.LastError, t.LastErrorAt
	if r.Cancelled {
		b.State = StatePaused
	}
	return b
}

// partition returns how a partition is doing, and why it is no use to wait for it.
func (s *sight) partition(p part, rs roster, v view) (PartitionStatus, error) {
	here, owner := v.readings[p.row()], rs.owner(p.row())
	note := rs.note(p)
	var stop error
	ps := PartitionStatus{Partition: p.number, State: StateStarting, Parked: note.Parked, LastError: here.LastError,
		LastErrorAt: here.LastErrorAt}
	switch {
	case here.held:
		ps = here.PartitionStatus
	case owner != "":
		ps = note.status(p)
		ps.Owner = owner
	case s.control.Paused:
		ps.State = StatePaused
	case here.stop != nil && here.resumed == s.control.Resumed:
		ps.State, stop = StateStopped, here.stop
	case v.ended != nil:
		ps.State, stop = StateStopped, v.ended
	case note.Stop != nil && note.Stop.Resumed == s.control.Resumed:
		ps = note.status(p)
		ps.State = StateStopped
		if !v.running { // whoever begins to run it tries it again
			stop = note.stopped(s.Projection)
		}
	case here.State == StateRetrying:
		ps.State = StateRetrying
	}
	ps.Position = max(rs.position(p), here.Position)
	return ps, stop
}

// status returns what a note tells.
func (n note) status(p part) PartitionStatus {
	s := PartitionStatus{Partition: p.number, State: n.State, Rate: n.Rate, Parked: n.Parked, Progress: n.Progress}
	if n.State == "" || n.Stop != nil { // what its last owner has left
		s.State = StateStarting
	}
	if n.Error != "" {
		s.LastError, s.LastErrorAt = errors.New(n.Error), n.ErrorAt
	}
	return s
}

// severity orders the states by how much they need attention.
var severity = [...]State{StateLive, StateParked, StateCatchingUp, StateStarting, StateRetrying, StatePaused, StateStopped}

// sum makes one status of those of partitions.
func sum(parts []PartitionStatus) (all PartitionStatus) {
	var owners []string
	worst := 0
	for i, p := range parts {
		worst = max(worst, slices.Index(severity[:], p.State))
		if i == 0 || p.Position < all.Position {
			all.Position = p.Position
		}
		if p.Progress.Left >= all.Progress.Left && p.Progress.Total > 0 {
			all.Progress = p.Progress
		}
		if p.LastError != nil && !p.LastErrorAt.Before(all.LastErrorAt) {
			all.LastError, all.LastErrorAt = p.LastError, p.LastErrorAt
		}
		if p.Owner != "" && !slices.Contains(owners, p.Owner) {
			owners = append(owners, p.Owner)
		}
		all.Rate += p.Rate
		all.Parked += p.Parked
	}
	all.State, all.Owner = severity[worst], strings.Join(owners, ",")
	return all
}

func (s *sight) reached(position int64) bool { return s.Position >= position }

// stopBefore returns why a partition will not come to a position.
func (s *sight) stopBefore(position int64) error {
	for i, stop := range s.stops {
		if stop != nil && s.Partitions[i].Position < position {
			return stop
		}
	}
	return nil
}

// idleBefore returns why nobody will go on to a position by himself.
func (s *sight) idleBefore(position int64) error {
	if s.control.Paused && s.Owner == "" {
		return ErrPaused
	}
	return s.stopBefore(position)
}

// measure adds to a status what the log says.
func (s *sight) measure(ctx context.Context) (err error) {
	store := s.feed.store
	if s.Head, err = store.Head(ctx); err != nil {
		return err
	}
	for i, p := range s.control.Live.parts(s.feed.name) {
		first, err := s.feed.waiting(ctx, p, s.Partitions[i].Position)
		if err != nil {
			return err
		}
		if first == nil {
			continue
		}
		s.Head = max(s.Head, first.Position)
		s.Lag = max(s.Lag, s.Head-first.Position+1)
		s.Behind = max(s.Behind, store.Now().Sub(first.RecordedAt))
	}
	return nil
}

// waiting returns the first event after a position that a partition is to handle, nil if there is none.
func (f *feed) waiting(ctx context.Context, p part, after int64) (*eventstore.Event, error) {
	opts := &eventstore.ReadOptions{Types: f.recipe.types, StreamTypes: f.opts.StreamTypes, Limit: 1, Raw: true, Only: p.takes()}
	if opts.Only != nil {
		opts.Limit = maxReach
	}
	for {
		page, err := f.store.ReadAll(ctx, after, opts)
		if err != nil || len(page.Events) > 0 {
			return first(page.Events), err
		}
		if page.Next >= page.Head {
			return nil, nil
		}
		after = page.Next
	}
}

func first(events []eventstore.Event) *eventstore.Event {
	if len(events) == 0 {
		return nil
	}
	return &events[0]
}
