package postgres

import (
	"strings"
	"syscall"
	"time"
)

const tcpUserTimeout = 18 // TCP_USER_TIMEOUT, which package syscall has no name for

// limitAck sets how long what was sent may go unacknowledged, on TCP.
func limitAck(ack time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var err error
		control := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(ack.Milliseconds()))
		})
		if control != nil {
			return control
		}
		return err
	}
}
