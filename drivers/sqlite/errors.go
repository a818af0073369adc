package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// lockedError says that somebody else has kept the write lock. SQLite does not tell whether it is another process or another
// handle of this one. It is no driver.ErrRace: the caller has waited its BusyTimeout already, and should not do so over and over
// in one call.
type lockedError struct {
	patience time.Duration
	err      error
}

// Error implements error.
func (e *lockedError) Error() string {
	return fmt.Sprintf("another connection or process has held the write lock for %v: it may have a transaction open", e.patience)
}

// Unwrap implements errors.Is and errors.As.
func (e *lockedError) Unwrap() []error { return []error{driver.ErrUnavailable, e.err} }

// heldError says that another transaction of this process has kept the writer. To one who wants to begin a transaction
// it is a driver.ErrUnavailable, after which trying again may help. Elsewhere it is not, so that nobody who waits for his
// own transaction does it over and over.
type heldError struct {
	patience time.Duration
	kind     error // driver.ErrUnavailable or nil
}

// Error implements error.
func (e *heldError) Error() string {
	return fmt.Sprintf("the writer connection has been held by another transaction for %v: inside a projection handler "+
		"or sqltx.In, pass on the context you were given", e.patience)
}

// Unwrap implements errors.Is.
func (e *heldError) Unwrap() error { return e.kind }

// fault is what a result code of SQLite means to the caller. It keeps SQLite's own error.
type fault struct {
	kind   error // driver.ErrRace, driver.ErrUnavailable or nil
	advice string
	err    error
}

// Error implements error.
func (e *fault) Error() string { return e.err.Error() + ": " + e.advice }

// Unwrap implements errors.Is and errors.As.
func (e *fault) Unwrap() []error {
	if e.kind == nil {
		return []error{e.err}
	}
	return []error{e.kind, e.err}
}

// meaning tells kind and advice for the result codes that have them. A call that ended with ErrUnavailable may have
// committed: an I/O error in the middle of a commit leaves that open.
func meaning(code sqlite3.ErrNo) (advice string, kind error) {
	switch code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return "another connection was using the database at this moment: try again", driver.ErrRace
	case sqlite3.ErrCantOpen:
		return "check that the file, its -wal and -shm files and their directory can be opened and written", driver.ErrUnavailable
	case sqlite3.ErrIoErr:
		return "check the disk", driver.ErrUnavailable
	case sqlite3.ErrFull:
		return "the disk, or the database's max_page_count, is full: make room", driver.ErrUnavailable
	case sqlite3.ErrNomem:
		return "there is no memory left", driver.ErrUnavailable
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return "the file and its directory must be writable", nil
	case sqlite3.ErrNotADB:
		return "the file is no SQLite database, or an encrypted one: check the path", nil
	case sqlite3.ErrCorrupt:
		return "the file is damaged: restore it from a backup, or see what the sqlite3 shell's .recover can save", nil
	case sqlite3.ErrTooBig:
		return "SQLite takes values of up to 1,000,000,000 bytes", nil
	default:
		return "", nil
	}
}

// classify adds what an error of SQLite means.
func classify(err error) error {
	var sqlite sqlite3.Error
	if !errors.As(err, &sqlite) || marked(err) {
		return err
	}
	if advice, kind := meaning(sqlite.Code); advice != "" {
		return &fault{kind, advice, err}
	}
	return err
}

func marked(err error) bool {
	return errors.Is(err, driver.ErrRace) || errors.Is(err, driver.ErrUnavailable)
}

// wrap says what was being done, and in which file.
func (f file) wrap(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlite: %s (%s): %w", doing, f, explained(ctx, err))
}

// explained sees to it that an error that the end of ctx has caused is the context's, and adds what an error of SQLite
// means.
func explained(ctx context.Context, err error) error {
	if rowsClosed(err) {
		err = fmt.Errorf("%w: %w", sql.ErrTxDone, err)
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) && interrupted(err) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return classify(err)
}

// interrupted reports whether err is what database/sql or SQLite say when a context has ended.
func interrupted(err error) bool {
	return hasCode(err, sqlite3.ErrInterrupt) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, sql.ErrConnDone)
}

// rowsClosed reports whether rows were closed that somebody was reading: by the end of the transaction's context, if the
// query has another, as ours have. database/sql tells nobody but by these words.
func rowsClosed(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "sql: Rows are closed")
}

func hasCode(err error, code sqlite3.ErrNo) bool {
	var sqlite sqlite3.Error
	return errors.As(err, &sqlite) && sqlite.Code == code
}
