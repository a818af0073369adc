package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

const memory = ":memory:"

// file is where a database is: an absolute path, or ":memory:".
type file string

func (f file) inMemory() bool { return f == memory }

// locate checks what SQLite would report as "unable to open database file", or silently take for a temporary database.
func locate(path string) (file, error) {
	switch {
	case path == memory:
		return memory, nil
	case path == "":
		return "", errors.New(`sqlite: open: the path is empty: name a file, or ":memory:"`)
	case strings.HasPrefix(path, "file:"):
		return "", fmt.Errorf("sqlite: open %s: a path is wanted, not a URI: settings go into Options", path)
	case strings.ContainsRune(path, 0):
		return "", fmt.Errorf("sqlite: open %q: the path contains a NUL byte", path)
	case namesDirectory(path):
		return "", fmt.Errorf("sqlite: open %s: the path is that of a directory: name a file in it", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	if err := checkPath(abs); err != nil {
		return "", fmt.Errorf("sqlite: open %s: %w", abs, err)
	}
	return file(abs), nil
}

// namesDirectory is for what filepath.Abs takes away.
func namesDirectory(path string) bool {
	_, last := filepath.Split(path)
	return last == "" || last == "."
}

func checkPath(path string) error {
	if err := checkDirectory(filepath.Dir(path)); err != nil {
		return err
	}
	switch stat, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return checkTarget(path)
	case err != nil:
		return err
	case stat.IsDir():
		return errors.New("it is a directory: name a file in it")
	default:
		return nil
	}
}

func checkDirectory(dir string) error {
	switch stat, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s: create it first: %w", dir, err)
	case err != nil:
		return err
	case !stat.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	default:
		return nil
	}
}

// checkTarget checks where the file is to be made if path is a link to one that is not there yet.
func checkTarget(path string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return nil // it is no link
	}
	if !filepath.IsAbs(target) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return err
		}
		target = filepath.Join(dir, target)
	}
	if err := checkPath(target); err != nil {
		return fmt.Errorf("it is a link to %s: %w", target, err)
	}
	return nil
}

// dsn returns the data source name for go-sqlite3. As a URI, it leaves no character of the path a meaning of its own.
func (f file) dsn(settings url.Values) string {
	// The cache keeps compiled statements on each connection: every text that the driver sends is a constant or one of a
	// few, so that they all stay compiled.
	settings.Set("_stmt_cache_size", "64")
	if f.inMemory() {
		return "file::memory:?" + settings.Encode()
	}
	path := filepath.ToSlash(string(f))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows drive
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}).String()
}

func (f file) writerDSN(o Options) string {
	synchronous := "FULL"
	if o.Synchronous == Normal {
		synchronous = "NORMAL"
	}
	return f.dsn(url.Values{
		"_txlock":       {"immediate"},
		"_synchronous":  {synchronous},
		"_busy_timeout": {milliseconds(nap)}, // see patiently
		// What is deleted is overwritten, where that costs no more writes: no old key stays in a page that is used again.
		"_secure_delete": {"FAST"},
		// Otherwise INSERT OR REPLACE would delete an event without asking the trigger that refuses it.
		"_recursive_triggers": {"1"},
	})
}

// openReaders returns a pool of connections that can't write.
func (f file) openReaders(n int) (*sqlx.DB, error) {
	db, err := sqlx.Open("sqlite3", f.dsn(url.Values{
		"_query_only":   {"1"},
		"_busy_timeout": {milliseconds(nap)}, // see patiently
	}))
	if err != nil {
		return nil, f.wrap(context.Background(), "open for reading", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
