package sqlite

import (
	"context"
	"fmt"
	"math/bits"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

const insertInto = `INSERT INTO main.events (id, stream_type, stream_id, version, event_type, schema_version, content_type,
	created_at, append_size, tags, metadata, event_data) VALUES `

const (
	columns = 12
	row     = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	maxRows = 64 // 12 columns of 64 rows stay below every limit of SQLite
)

// insertRows returns the statement for n rows. Many rows in one statement take two thirds of the time.
func insertRows(n int) string {
	return insertInto + row + strings.Repeat(", "+row, n-1)
}

// insertChecked stores one event if its stream is one version behind it. It is check, insert and transaction in one
// statement: if the stream is at another version, the inner SELECT yields NULL, which the column refuses.
const insertChecked = insertInto + `(?1, ?2, ?3,
	(SELECT CASE WHEN coalesce(max(version), 0) = ?4 - 1 THEN ?4 END FROM main.events ` + ofStream + `),
	?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)`

// ofStream selects a stream by the parameters 2 and 3. The plus signs keep SQLite from compiling the statement anew
// whenever they are bound, which it does for bare parameters beside max() and ORDER BY, and which takes ten times as
// long as running it.
const ofStream = `WHERE stream_type = +?2 AND stream_id = +?3`

const selectVersion = `SELECT coalesce(max(version), 0) FROM main.events WHERE stream_type = +?1 AND stream_id = +?2`

func streamVersion(ctx context.Context, q sqlx.QueryerContext, stream driver.StreamID) (version int64, err error) {
	err = q.QueryRowxContext(ctx, selectVersion, stream.Type, stream.ID).Scan(&version)
	return version, err
}

// insert stores the events of w behind version and returns the receipt.
func insert(ctx context.Context, q sqlx.ExecerContext, w *driver.Write, version int64) (driver.Receipt, error) {
	receipt := driver.Receipt{Version: version}
	args := make([]any, 0, columns*min(len(w.Events), maxRows))
	for done := 0; done < len(w.Events); {
		n := rowsAtOnce(len(w.Events) - done)
		args = args[:0]
		var err error
		for range n {
			receipt.Version++
			if args, err = appendArgs(args, w, done, receipt.Version); err != nil {
				return driver.Receipt{}, err
			}
			done++
		}
		res, err := q.ExecContext(ctx, insertRows(n), args...)
		if err != nil {
			return driver.Receipt{}, err
		}
		if receipt.Position, err = res.LastInsertId(); err != nil {
			return driver.Receipt{}, err
		}
	}
	return receipt, nil
}

// rowsAtOnce takes powers of two, so that few different statements serve any number of events.
func rowsAtOnce(left int) int {
	return min(1<<(bits.Len(uint(left))-1), maxRows)
}

// appendArgs appends the parameters of the i-th event of w, which gets the given version.
func appendArgs(args []any, w *driver.Write, i int, version int64) ([]any, error) {
	e := &w.Events[i]
	tags, err := encodeTags(e.Tags)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	var size int64
	if i == 0 {
		size = int64(len(w.Events))
	}
	var metadata any
	if len(e.Metadata) > 0 {
		metadata = string(e.Metadata)
	}
	return append(args, e.ID.String(), w.Stream.Type, w.Stream.ID, version, e.Type, int64(e.Schema), e.ContentType,
		e.RecordedAt.UnixMicro(), size, tags, metadata, payload(e.ContentType, e.Data)), nil
}
