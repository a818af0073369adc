package projection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// roster is what the rows of all projections said at one moment.
type roster struct {
	now  time.Time
	rows map[string]eventstore.Lease
}

func newRoster(now time.Time, leases []eventstore.Lease) roster {
	rs := roster{now: now, rows: make(map[string]eventstore.Lease, len(leases))}
	for _, l := range leases {
		rs.rows[l.Name] = l
	}
	return rs
}

// roster reads the rows. It is ErrNotSupported if the driver knows no owners.
func (r *Runner) roster(ctx context.Context) (roster, error) {
	leases, err := r.store.Leases(ctx, "")
	if err != nil {
		return roster{}, err
	}
	return newRoster(r.store.Now(), leases), nil
}

// known reads the rows whose names begin with a prefix, and of a driver that knows no owners what it has instead: the
// checkpoints of these projections. If that fails, the roster knows nothing, rather than that there are no rows.
func (r *Runner) known(ctx context.Context, prefix string, feeds ...*feed) (roster, error) {
	rows, err := r.store.Leases(ctx, prefix)
	if errors.Is(err, eventstore.ErrNotSupported) {
		rows, err = r.checkpoints(ctx, feeds)
	}
	if err != nil {
		return roster{}, err
	}
	return newRoster(r.store.Now(), rows), nil
}

func (r *Runner) checkpoints(ctx context.Context, feeds []*feed) (rows []eventstore.Lease, err error) {
	for _, f := range feeds {
		position, err := r.store.LoadCheckpoint(ctx, f.name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, eventstore.Lease{Name: f.name, Position: position})
	}
	return rows, nil
}

// control returns the document of a projection.
func (rs roster) control(projection string) (control, error) {
	return readControl(rs.rows[controlRow(projection)])
}

// owner returns who works on a row now, empty if nobody does.
func (rs roster) owner(row string) string {
	if l := rs.rows[row]; l.Until.After(rs.now) && !isSteward(l.Owner) {
		return l.Owner
	}
	return ""
}

func (rs roster) position(p part) int64 { return max(rs.rows[p.row()].Position, p.layout.Start) }

func (rs roster) note(p part) note { return readNote(rs.rows[p.row()].State) }

// stops returns the notes of partitions that were given up, by row.
func (rs roster) stops() map[string]string {
	all := map[string]string{}
	for row, l := range rs.rows {
		if stop := readNote(l.State).Stop; stop != nil && rs.owner(row) == "" {
			all[row] = stop.ID
		}
	}
	return all
}

// note is what the owner of a partition tells the other processes about it: the document in its row.
type note struct {
	State    State     `json:"state,omitempty"`
	Rate     float64   `json:"rate,omitempty"`
	Parked   int       `json:"parked,omitempty"` // streams
	Error    string    `json:"error,omitempty"`  // the latest
	ErrorAt  time.Time `json:"error_at,omitzero"`
	Progress Progress  `json:"progress,omitzero"` // while it catches up
	Stop     *stopNote `json:"stop,omitempty"`
}

// stopNote says that a partition was given up. Runs that were under way then leave it alone until the projection is
// resumed; one that begins later tries it again.
type stopNote struct {
	ID      string `json:"id"`      // no two are the same
	Resumed int    `json:"resumed"` // control.Resumed at that time
	Tries   int    `json:"tries"`
}

// readNote returns what it can: a note informs people, and nothing depends on it.
func readNote(state []byte) (n note) {
	if len(state) > 0 && json.Unmarshal(state, &n) != nil {
		return note{}
	}
	return n
}

var errElsewhere = fmt.Errorf("%w by another runner", ErrStopped)

// stopped returns the error of a projection that another runner has given up.
func (n note) stopped(projection string) error {
	return fmt.Errorf("%w: %q: %s", errElsewhere, projection, n.Error)
}

// encode returns nil for a note that says nothing.
func (n note) encode() []byte {
	if n == (note{}) {
		return nil
	}
	state, err := json.Marshal(n)
	if err != nil { // of the kinds of fields it has, none can fail
		panic(fmt.Sprintf("projection: encode a note: %v", err))
	}
	return state
}
