package pgtest

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// makeDir makes a directory that belongs to an account, in the first of some places where that works.
func makeDir(places []string, as *syscall.Credential) (string, error) {
	var errs []error
	for _, place := range places {
		dir, err := os.MkdirTemp(place, "tidemark-pg-")
		if err == nil {
			return dir, give(dir, as)
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("pgtest: a directory for the server: %w", errors.Join(errs...))
}

// places returns where a cluster's directory may be. Memory comes first, which makes a database ten times faster on a busy
// disk, unless somebody cares when things reach the disk.
func places(as *syscall.Credential, durable bool) []string {
	var in []string
	if shm := memory(); shm != "" && !durable {
		in = append(in, shm)
	}
	// Root's own place for temporary files may be closed to others, and the path of a socket may have some 100 bytes only.
	if as == nil && len(os.TempDir()) <= 60 {
		in = append(in, os.TempDir())
	}
	return append(in, "/tmp")
}

func give(path string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	return os.Chown(path, int(as.Uid), int(as.Gid))
}
