package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// refused reports whether err may mean that a version check failed or that an id is stored already. insertChecked says the
// first by a version that is NULL.
func refused(err error) bool {
	var conflict *driver.ConflictError
	if errors.As(err, &conflict) {
		return true
	}
	var sqlite sqlite3.Error
	return errors.As(err, &sqlite) &&
		(sqlite.ExtendedCode == sqlite3.ErrConstraintUnique || sqlite.ExtendedCode == sqlite3.ErrConstraintNotNull)
}

// explain finds out why writes were refused, after nothing of them is left. Ids that are stored come first: a retry
// fails its version check too.
//
// A failed version check that would pass now was a race. Of what SQLite itself refuses nothing of ours goes away again, so
// what is not found stands elsewhere, in an index or a trigger of the user's, and trying again would not help: then err stays
// as it is.
func explain(ctx context.Context, q sqlx.QueryerContext, writes []driver.Write, err error) error {
	if !refused(err) {
		return err
	}
	stored, lookup := storedEvents(ctx, q, writes)
	if lookup != nil {
		return lookup
	}
	if len(stored) > 0 {
		return &driver.DuplicateError{Stored: stored}
	}
	for i := range writes {
		version, lookup := streamVersion(ctx, q, writes[i].Stream)
		if lookup != nil {
			return lookup
		}
		if !writes[i].Expected.Met(version) {
			return &driver.ConflictError{Stream: writes[i].Stream, Actual: version}
		}
	}
	var conflict *driver.ConflictError
	if errors.As(err, &conflict) {
		return fmt.Errorf("%w: the append was refused, but now nothing stands against it: %w", driver.ErrRace, err)
	}
	return err
}

// storedEvents returns every record that has one of the ids in writes, in order of position.
func storedEvents(ctx context.Context, q sqlx.QueryerContext, writes []driver.Write) ([]driver.Record, error) {
	var ids []string
	for _, w := range writes {
		for _, e := range w.Events {
			ids = append(ids, e.ID.String())
		}
	}
	array, err := jsonArray(ids)
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryxContext(ctx, `SELECT `+recordColumns+` FROM main.events
		WHERE id IN (SELECT value FROM json_each(?)) ORDER BY global_position`, array)
	if err != nil {
		return nil, err
	}
	records, _, err := page(rows, len(ids), len(ids), math.MaxInt)
	return records, err
}
