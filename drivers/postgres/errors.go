package postgres

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// failure is an error of the database with what was being done and what it means to the caller.
type failure struct {
	doing string
	kind  error // the context's error, driver.ErrRace, driver.ErrHeld, driver.ErrUnavailable or nil
	err   error
}

// Error implements error.
func (f *failure) Error() string {
	if f.kind == nil || errors.Is(f.err, f.kind) {
		return "postgres: " + f.doing + ": " + f.err.Error()
	}
	return "postgres: " + f.doing + ": " + f.kind.Error() + ": " + f.err.Error()
}

// Unwrap implements errors.Is and errors.As.
func (f *failure) Unwrap() []error {
	if f.kind == nil {
		return []error{f.err}
	}
	return []error{f.kind, f.err}
}

// failed says what was being done, and maps err to what it means.
func failed(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	f := &failure{doing: doing, err: err}
	switch end := ended(ctx); {
	case answer(err):
	case end != nil:
		f.kind = end
	default:
		f.kind = meaning(err)
	}
	return f
}

// ended returns the context's error, also in the moment in which its deadline has passed and only others that wait for it
// have noticed.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) && ctx.Err() == nil {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// answer reports whether err is an answer rather than a failure.
func answer(err error) bool {
	var conflict *driver.ConflictError
	var duplicate *driver.DuplicateError
	return errors.As(err, &conflict) || errors.As(err, &duplicate) || errors.Is(err, driver.ErrCheckpointMoved) || leaseAnswer(err)
}

// meaning maps an error of the database. lib/pq and pgx have error types of their own and the method SQLState in
// common.
func meaning(err error) error {
	code := sqlState(err)
	switch {
	case code == lockNotAvailable:
		return driver.ErrHeld
	case isRace(code):
		return driver.ErrRace
	case isLost(code), isShort(code), code == "" && isDisconnect(err):
		return driver.ErrUnavailable
	default:
		return nil
	}
}

func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

const (
	uniqueViolation  = "23505"
	deadlock         = "40P01"
	notSerializable  = "40001"
	lockNotAvailable = "55P03"
)

// isRace reports that another transaction was in the way.
func isRace(code string) bool {
	switch code {
	case notSerializable, deadlock:
		return true
	}
	return false
}

// isShort reports that the server has answered that it can't do it just now: nothing is stored.
func isShort(code string) bool {
	return code == "57014" || // query_canceled, by an administrator or statement_timeout, since our contexts go on
		strings.HasPrefix(code, "53") || // insufficient_resources: disk_full, out_of_memory
		strings.HasPrefix(code, "58") // system_error: io_error
}

// isLost reports that the server can't be reached, does not take us, or has ended the session.
func isLost(code string) bool {
	switch code {
	case "57P01", // admin_shutdown
		"57P02", // crash_shutdown
		"57P03", // cannot_connect_now
		"57P05", // idle_session_timeout
		"25P03", // idle_in_transaction_session_timeout
		"25P04", // transaction_timeout
		"53300": // too_many_connections
		return true
	}
	return strings.HasPrefix(code, "08") // connection_exception
}

func isDisconnect(err error) bool {
	for _, lost := range []error{sqldriver.ErrBadConn, sql.ErrConnDone, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var network net.Error
	var closed interface{ SafeToRetry() bool } // pgx, of a connection that it found closed
	return errors.As(err, &network) || errors.As(err, &closed) && closed.SafeToRetry()
}
