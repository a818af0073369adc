package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// coded is an error as lib/pq and pgx have them.
type coded string

func (c coded) Error() string    { return "the server says no" }
func (c coded) SQLState() string { return string(c) }

func TestWhatTheServersCodesMean(t *testing.T) {
	for code, kind := range map[string]error{
		"40001": driver.ErrRace,        // serialization_failure
		"40P01": driver.ErrRace,        // deadlock_detected
		"55P03": driver.ErrRace,        // lock_not_available
		"57P01": driver.ErrUnavailable, // admin_shutdown
		"57P03": driver.ErrUnavailable, // cannot_connect_now
		"25P03": driver.ErrUnavailable, // idle_in_transaction_session_timeout
		"25P04": driver.ErrUnavailable, // transaction_timeout
		"57014": driver.ErrUnavailable, // query_canceled
		"08006": driver.ErrUnavailable, // connection_failure
		"53100": driver.ErrUnavailable, // disk_full
		"53200": driver.ErrUnavailable, // out_of_memory
		"53300": driver.ErrUnavailable, // too_many_connections
		"58030": driver.ErrUnavailable, // io_error
		"42501": nil,                   // insufficient_privilege
		"42P01": nil,                   // undefined_table
		"22P02": nil,                   // invalid_text_representation
	} {
		t.Run(code, func(t *testing.T) {
			err := failed(t.Context(), "append", coded(code))
			for _, k := range []error{driver.ErrRace, driver.ErrUnavailable} {
				require.Equal(t, k == kind, errors.Is(err, k), k)
			}
			var own coded
			require.ErrorAs(t, err, &own)
		})
	}
	t.Run("the end of the context comes before what it has caused", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := failed(ctx, "append", coded("57014"))
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, driver.ErrUnavailable)
	})
}
