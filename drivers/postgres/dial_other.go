//go:build !linux

package postgres

import (
	"syscall"
	"time"
)

// limitAck does nothing where the system has no such limit, or a name of its own for it.
func limitAck(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
