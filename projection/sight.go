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
	leases, err := r.store.Leases(ctx, f.name)
	return f.sight(newRoster(r.store.Now(), leases)), err
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
	s.sum()
	return s
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
	case here.stop != nil:
		ps.State, stop = StateStopped, here.stop
	case v.ended != nil:
		ps.State, stop = StateStopped, v.ended
	case note.Stop != nil && note.Stop.Resumed == s.control.Resumed:
		ps = note.status(p)
		ps.State = StateStopped
	case here.State == StateRetrying:
		ps.State = StateRetrying
	}
	ps.Position = max(rs.position(p), here.Position)
	return ps, stop
}

// status returns what a note tells.
func (n note) status(p part) PartitionStatus {
	s := PartitionStatus{Partition: p.number, State: n.State, Rate: n.Rate, Parked: n.Parked}
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

// sum makes the projection's status of those of its partitions.
func (s *sight) sum() {
	var owners []string
	worst := 0
	for i, p := range s.Partitions {
		worst = max(worst, slices.Index(severity[:], p.State))
		if i == 0 || p.Position < s.Position {
			s.Position = p.Position
		}
		s.Rate += p.Rate
		s.Parked += p.Parked
		if p.LastError != nil && !p.LastErrorAt.Before(s.LastErrorAt) {
			s.LastError, s.LastErrorAt = p.LastError, p.LastErrorAt
		}
		if p.Owner != "" && !slices.Contains(owners, p.Owner) {
			owners = append(owners, p.Owner)
		}
	}
	s.State = severity[worst]
	s.Owner = strings.Join(owners, ",")
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
