package fault_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/fault"
)

func TestACutOfThePowerTakesWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	disk := fault.StartDisk(t, 16)
	kept, lost := filepath.Join(disk.Dir, "kept"), filepath.Join(disk.Dir, "lost")
	require.NoError(t, os.WriteFile(kept, []byte("synced"), 0o600))
	disk.Sync()
	require.NoError(t, os.WriteFile(lost, []byte("written"), 0o600))
	disk.Cut()
	require.Error(t, os.WriteFile(lost, nil, 0o600))
	disk.Mend()
	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Equal(t, "synced", string(text))
	text, _ = os.ReadFile(lost) // its name may be there
	require.Empty(t, text)
}

func TestADiskThatIsFilledHasNoRoomUntilItIsCleared(t *testing.T) {
	t.Parallel()
	disk := fault.StartDisk(t, 16)
	file := filepath.Join(disk.Dir, "file")
	for range 2 {
		disk.Fill()
		require.ErrorIs(t, os.WriteFile(file, make([]byte, 1000), 0o600), syscall.ENOSPC)
		disk.Clear()
		require.NoError(t, os.WriteFile(file, make([]byte, 1000), 0o600))
		require.NoError(t, os.Remove(file))
	}
}
