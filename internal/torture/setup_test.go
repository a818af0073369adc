package torture_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/serializer"
)

// patience is for what must happen in the end. Nothing that passes waits for it.
const patience = 2 * time.Minute

type filed struct {
	N    int
	Text string `json:",omitempty"`
}

// sheet is an event of any size that costs next to nothing to encode: the tests are about what comes after that.
type sheet struct {
	n    int
	text []byte
}

type sheetCodec struct{}

func (sheetCodec) ContentType() string { return "application/octet-stream" }

func (sheetCodec) Marshal(v any) ([]byte, error) {
	s := v.(*sheet)
	return append(binary.LittleEndian.AppendUint64(nil, uint64(s.n)), s.text...), nil
}

func (sheetCodec) Unmarshal(data []byte, v any) error {
	if len(data) < 8 {
		return errors.New("a sheet begins with its number")
	}
	*v.(*sheet) = sheet{n: int(binary.LittleEndian.Uint64(data)), text: data[8:]}
	return nil
}

// each runs a test on a database of every driver, one after the other: what is measured is the whole process's. conns is
// the number of connections, where there are such; 0 for the default.
func each(t *testing.T, conns int, test func(t *testing.T, s *eventstore.Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		on(t, func() (driver.Store, error) { return memory.New(), nil }, test)
	})
	t.Run("SQLite", func(t *testing.T) {
		opts := &sqlite.Options{Readers: max(0, conns-1), Synchronous: sqlite.Normal, BusyTimeout: patience}
		path := filepath.Join(t.TempDir(), "events.db")
		on(t, func() (driver.Store, error) { return sqlite.Open(t.Context(), path, opts) }, test)
	})
	t.Run("Postgres", func(t *testing.T) {
		dsn := pgtest.DSN(t)
		on(t, func() (driver.Store, error) {
			return postgres.Open(t.Context(), dsn, &postgres.Options{MaxConns: conns})
		}, test)
	})
}

// on runs a test on a store, and requires that nothing of it is left running when the store is closed.
func on(t *testing.T, open func() (driver.Store, error), test func(t *testing.T, s *eventstore.Store)) {
	before := runtime.NumGoroutine()
	d, err := open()
	require.NoError(t, err)
	s, err := eventstore.New(d, registry(), &eventstore.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	test(t, s)
	require.NoError(t, s.Close())
	ended := func() bool { return runtime.NumGoroutine() <= before+1 } // it runs in a goroutine of its own
	require.Eventually(t, ended, patience, time.Millisecond, "goroutines that are left behind")
}

func registry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[filed](reg, "filed")
	serializer.Register[sheet](reg, "sheet", serializer.WithCodec(sheetCodec{}))
	return reg
}

func folder(id string) eventstore.StreamID { return eventstore.StreamID{Type: "folder", ID: id} }

// fill appends n sheets of a size to a stream, many at a time.
func fill(t *testing.T, s *eventstore.Store, stream eventstore.StreamID, n, size int) {
	t.Helper()
	text := make([]byte, size)
	for from := 0; from < n; from += 1000 {
		events := make([]eventstore.NewEvent, min(1000, n-from))
		for i := range events {
			events[i].Payload = sheet{from + i, text}
		}
		_, err := s.Append(t.Context(), stream, eventstore.Any, events...)
		require.NoError(t, err)
	}
}

// heap is how much is in use, garbage apart.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// holdsData reports whether the driver has all events in this process's memory, which leaves nothing to measure there.
func holdsData(t *testing.T) bool { return filepath.Base(t.Name()) == "memory" }

var errEnough = errors.New("enough")

// soon is a context for what must not hang.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
