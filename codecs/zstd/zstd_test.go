package zstd_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	tidezstd "github.com/tidemark-go/tidemark/codecs/zstd"
	"github.com/tidemark-go/tidemark/serializer"
)

type note struct {
	Text string `json:"text"`
}

// noteOf returns a note that JSON writes in n bytes.
func noteOf(n int) note { return note{Text: strings.Repeat("x", n-len(`{"text":""}`))} }

// registry compresses from 100 bytes on, and reads up to 10,000.
func registry(t testing.TB) *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{
		Codec: tidezstd.Compressed(serializer.JSON(), &serializer.CompressOptions{MinSize: 100, MaxSize: 10_000}),
	})
	serializer.Register[note](reg, "note")
	require.NoError(t, reg.Err())
	return reg
}

func TestLargePayloadsAreCompressed(t *testing.T) {
	reg := registry(t)
	for size, contentType := range map[int]string{99: "application/json", 100: "application/json+zstd", 10_000: "application/json+zstd"} {
		stored, err := reg.Encode(noteOf(size))
		require.NoError(t, err)
		require.Equal(t, contentType, stored.ContentType)
		require.LessOrEqual(t, len(stored.Data), 99)
		back, err := reg.Decode(stored)
		require.NoError(t, err)
		require.Equal(t, noteOf(size), back)
	}
}

// A bubble does not end before every goroutine in it has.
func TestOneCodecServesManyGoroutinesAndLeavesNoneBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := registry(t)
		want, err := reg.Encode(noteOf(5000))
		require.NoError(t, err)
		for range 8 {
			go func() {
				for range 20 {
					stored, err := reg.Encode(noteOf(5000))
					if err != nil || !bytes.Equal(stored.Data, want.Data) {
						t.Error("other bytes", err)
					}
					if v, err := reg.Decode(stored); err != nil || v != noteOf(5000) {
						t.Error("another value", err)
					}
				}
			}()
		}
	})
}

func TestWhatIsNotWhatItSaysIsRefused(t *testing.T) {
	reg := registry(t)
	good, err := reg.Encode(noteOf(10_000))
	require.NoError(t, err)
	refuses := func(t *testing.T, data []byte, why string) error {
		v, err := reg.Decode(serializer.Encoded{Type: "note", Schema: 1, ContentType: "application/json+zstd", Data: data})
		require.Nil(t, v)
		require.ErrorContains(t, err, "serializer: decode note v1 into zstd_test.note: decompress: "+why)
		return err
	}
	t.Run("a bomb that says its size", func(t *testing.T) {
		enc, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		bomb := enc.EncodeAll(bytes.Repeat([]byte("x"), 5<<20), nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = refuses(t, bomb, "payload too large: it would have more bytes than CompressOptions.MaxSize, which is 10000")
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, serializer.ErrTooLarge)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes are allocated for a bomb")
	})
	t.Run("a bomb of many small frames", func(t *testing.T) {
		refuses(t, bytes.Repeat(good.Data, 100), "payload too large")
	})
	t.Run("one that is cut off", func(t *testing.T) {
		for n := range len(good.Data) {
			refuses(t, good.Data[:n], "")
		}
	})
	t.Run("one with a flipped bit", func(t *testing.T) {
		damaged := bytes.Clone(good.Data)
		damaged[len(damaged)-1] ^= 1
		refuses(t, damaged, "CRC check failed")
	})
	t.Run("bytes after its end", func(t *testing.T) {
		refuses(t, append(bytes.Clone(good.Data), 0, 0), "")
	})
	t.Run("a plain one", func(t *testing.T) {
		refuses(t, []byte(`{"text":"hello"}`), "invalid input: magic number mismatch")
	})
}

func TestLevels(t *testing.T) {
	var text strings.Builder
	for i := range 5000 {
		text.WriteString(strings.Repeat("abc", i%7))
		text.WriteByte(byte('a' + i*i%26))
	}
	size := func(level int) int {
		data, err := tidezstd.Compressed(serializer.JSON(), &serializer.CompressOptions{Level: level}).Marshal(&note{Text: text.String()})
		require.NoError(t, err)
		return len(data)
	}
	require.Less(t, size(4), size(1))
	require.Equal(t, size(2), size(0))
	for _, level := range []int{-1, 5} {
		_, err := tidezstd.Compressed(serializer.JSON(), &serializer.CompressOptions{Level: level}).Marshal(&note{})
		require.ErrorContains(t, err, "zstd has levels 1 to 4 here, and 0 means its default")
	}
}

func FuzzDecode(f *testing.F) {
	reg := registry(f)
	stored, err := reg.Encode(noteOf(5000))
	require.NoError(f, err)
	f.Add(stored.Data)
	f.Add(stored.Data[:10])
	f.Add(append(bytes.Clone(stored.Data), stored.Data...))
	f.Add([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"))                     // a frame to skip
	f.Add([]byte("\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f\x00")) // 9 exabytes
	f.Add([]byte("\x28\xb5\x2f\xfd\x00\x00\x03\x27\x00x"))                    // one byte repeated, of a size that is not said
	f.Fuzz(func(t *testing.T, data []byte) {
		before := string(data)
		v, err := reg.Decode(serializer.Encoded{Type: "note", Schema: 1, ContentType: "application/json+zstd", Data: data})
		require.Equal(t, before, string(data))
		if err != nil {
			require.NotContains(t, err.Error(), "panic")
			require.Nil(t, v)
			return
		}
		stored, err := reg.Encode(v)
		require.NoError(t, err)
		again, err := reg.Decode(stored)
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}
