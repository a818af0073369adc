package fault

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Disk is a filesystem of its own, on a disk that is a file, which can be filled and whose power can be cut. Its methods must
// not run at the same time.
type Disk struct {
	Dir string // where it is mounted, for anybody to write to

	tb    testing.TB
	image string
}

// cleanUp waits until its input ends, which happens however the test does. Whoever has files open on the disk still is given
// half a minute to end.
const cleanUp = `trap '' HUP INT QUIT TERM; read -r _; cd /
for _ in $(seq 300); do umount "$1/disk" 2>/dev/null && break; sleep 0.1; done
umount --lazy "$1/disk" 2>/dev/null; rm -rf "$1"`

// StartDisk makes a disk of some megabytes with ext4 on it, and removes it when the test has ended. The test is skipped
// where that can't be had: it takes root, mkfs.ext4 and a loop device.
func StartDisk(tb testing.TB, megabytes int64) *Disk {
	tb.Helper()
	mkfs, err := exec.LookPath("mkfs.ext4")
	_, loop := os.Stat("/dev/loop-control")
	if err != nil || loop != nil || os.Geteuid() != 0 {
		tb.Skipf("a disk of the test's own needs root (we are user %d), a loop device (%v), and mkfs.ext4 of e2fsprogs (%v)",
			os.Geteuid(), loop, err)
	}
	dir, err := os.MkdirTemp("/tmp", "tidemark-disk-") // a short path: see pgtest.StartClusterIn
	require.NoError(tb, err)
	d := &Disk{tb: tb, Dir: filepath.Join(dir, "disk"), image: filepath.Join(dir, "image")}
	d.sweep(dir)
	require.NoError(tb, os.Chmod(dir, 0o755))
	require.NoError(tb, os.Mkdir(d.Dir, 0o755))
	require.NoError(tb, os.WriteFile(d.image, nil, 0o600))
	require.NoError(tb, os.Truncate(d.image, megabytes<<20))
	d.run(mkfs, "-q", "-F", "-m", "0", d.image) // nothing is kept back for root
	d.mount()
	require.NoError(tb, os.Chmod(d.Dir, 0o777|os.ModeSticky))
	d.Sync()
	return d
}

func (d *Disk) sweep(dir string) {
	sweeper := exec.Command("/bin/sh", "-c", cleanUp, "sh", dir)
	sweeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of Ctrl-C
	hold, err := sweeper.StdinPipe()
	require.NoError(d.tb, err)
	require.NoError(d.tb, sweeper.Start())
	d.tb.Cleanup(func() {
		require.NoError(d.tb, errors.Join(hold.Close(), sweeper.Wait()))
	})
}

func (d *Disk) mount() { d.run("mount", "-o", "loop", d.image, d.Dir) }

// Sync has everything on the disk that was written so far.
func (d *Disk) Sync() { d.run("sync", "--file-system", d.Dir) }

// Cut cuts the power. Whoever reads or writes gets an error from now on, and what was not synced is gone. A sync that is
// under way at this moment may be told that it succeeded though it did not, by a fault of the kernel's simulation: count
// only on what was acknowledged before.
func (d *Disk) Cut() {
	d.tb.Helper()
	const goingDown, withoutTheLog = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	root, err := os.Open(d.Dir)
	require.NoError(d.tb, err)
	defer root.Close()
	how := uint32(withoutTheLog)
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, root.Fd(), goingDown, uintptr(unsafe.Pointer(&how)))
	require.Zero(d.tb, failed, "%v", failed)
}

// Mend brings the power back after Cut, with what is on the disk. Whoever had files open there must have ended.
func (d *Disk) Mend() {
	d.tb.Helper()
	require.Eventually(d.tb, func() bool { return syscall.Unmount(d.Dir, 0) == nil }, time.Minute, time.Millisecond)
	d.mount()
}

// Fill leaves no room on the disk until Clear is called.
func (d *Disk) Fill() {
	d.tb.Helper()
	filler, err := os.Create(d.filler())
	require.NoError(d.tb, err)
	defer filler.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err = filler.Write(block); err != nil {
			require.ErrorIs(d.tb, err, syscall.ENOSPC)
			block = block[:len(block)/2] // what is left is smaller
		}
	}
}

// Clear makes room again after Fill.
func (d *Disk) Clear() {
	d.tb.Helper()
	require.NoError(d.tb, os.Remove(d.filler()))
}

func (d *Disk) filler() string { return filepath.Join(d.Dir, "filler") }

func (d *Disk) run(program string, args ...string) {
	d.tb.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(d.tb, err, "%s %s: %s", program, args, out)
}
