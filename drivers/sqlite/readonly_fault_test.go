package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/sqlite"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// asNobody gives up the rights of root, to whom nothing is read-only. Whoever else runs the test owns the files, and has
// taken the right to write from himself.
func asNobody(f func(ctx context.Context, path string) error) func(ctx context.Context, path string) error {
	const nobody = 65534
	return func(ctx context.Context, path string) error {
		if os.Geteuid() == 0 {
			if err := syscall.Setuid(nobody); err != nil {
				return err
			}
		}
		return f(ctx, path)
	}
}

func TestAReadOnlyFile(t *testing.T) {
	t.Parallel()
	const missing = 0o1000
	for _, c := range []struct {
		name         string
		file, folder os.FileMode
		process      string
	}{
		{"in a folder that can be written is read, and not written", 0o444, 0o777, "reads"},
		{"in a folder that is read-only is refused", 0o444, 0o555, "refused"},
		{"that is not, in a folder that is, is refused", 0o666, 0o555, "refused"},
		{"that can't even be read is refused", 0o000, 0o555, "unopened"},
		{"that is not there, in a folder that is read-only, is refused", missing, 0o555, "unopened"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, events := closedFile(t)
			folder := filepath.Dir(path)
			require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
			aside := path + ".aside"
			require.NoError(t, os.Rename(path, aside))
			if c.file != missing {
				require.NoError(t, os.WriteFile(path, contents(t, aside), 0o600))
				require.NoError(t, os.Chmod(path, c.file))
			}
			require.NoError(t, os.Chmod(folder, c.folder))
			runsWell(t, c.process, path)
			require.NoError(t, os.Chmod(folder, 0o777))
			require.NoError(t, os.Rename(aside, path))
			require.Len(t, readAll(t, t.Context(), open(t, path, nil), 0).Records, events)
		})
	}
}

func readReadOnly(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	page, err := s.ReadAll(ctx, driver.AllQuery{Limit: 1 << 20, MaxBytes: 1 << 30})
	if err == nil && len(page.Records) == 0 {
		err = errors.New("there are no events")
	}
	if err != nil {
		return err
	}
	for range 2 {
		if err := wantCode(commitOnce(ctx, s, appends(order("x"), driver.Any, 1)), sqlite3.ErrReadonly, path); err != nil {
			return err
		}
	}
	return s.Close()
}

// openRefused wants Open to fail with a code.
func openRefused(code sqlite3.ErrNo) func(ctx context.Context, path string) error {
	return func(ctx context.Context, path string) error {
		_, err := sqlite.Open(ctx, path, nil)
		return wantCode(err, code, path)
	}
}

// wantCode returns what is wrong with an error that should have SQLite's code, name the file and say what to look after.
func wantCode(err error, code sqlite3.ErrNo, path string) error {
	var own sqlite3.Error
	switch {
	case !errors.As(err, &own) || own.Code != code:
		return fmt.Errorf("want an error with code %d, got: %w", code, err)
	case !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "director"):
		return fmt.Errorf("the error does not say what to do: %w", err)
	}
	return nil
}
