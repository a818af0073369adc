package fault

import (
	"net"
	"syscall"
)

// deafen has the kernel drop every packet of the client before it is acknowledged. A connection that is being closed
// needs it no more.
func (l *link) deafen() {
	drop := []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K}}
	raw, err := l.client.(*net.TCPConn).SyscallConn()
	if err == nil {
		//lint:ignore SA1019 what is to be used instead is not in the standard library
		_ = raw.Control(func(fd uintptr) { _ = syscall.AttachLsf(int(fd), drop) })
	}
}
