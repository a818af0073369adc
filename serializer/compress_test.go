package serializer_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// compressedNotes returns a registry whose notes are compressed from 100 bytes on.
func compressedNotes(t testing.TB, opts serializer.CompressOptions) *serializer.Registry {
	opts.MinSize = 100
	r := serializer.NewRegistry(&serializer.Options{Codec: serializer.Compressed(serializer.JSON(), &opts)})
	serializer.Register[note](r, "note")
	require.NoError(t, r.Err())
	return r
}

// noteOf returns a note that JSON writes in n bytes.
func noteOf(n int) note { return note{Text: strings.Repeat("x", n-len(`{"text":""}`))} }

func TestCompressed(t *testing.T) {
	r := compressedNotes(t, serializer.CompressOptions{})
	t.Run("compresses payloads of MinSize and says so in the content type", func(t *testing.T) {
		e, err := r.Encode(noteOf(100))
		require.NoError(t, err)
		require.Equal(t, "application/json+gzip", e.ContentType)
		require.Less(t, len(e.Data), 100)
		requireDecodes(t, r, e, noteOf(100))
	})
	t.Run("leaves smaller payloads and their content type plain", func(t *testing.T) {
		e, err := r.Encode(noteOf(99))
		require.NoError(t, err)
		require.Equal(t, "application/json", e.ContentType)
		require.JSONEq(t, fmt.Sprintf(`{"text":%q}`, noteOf(99).Text), string(e.Data))
		requireDecodes(t, r, e, noteOf(99))
	})
	t.Run("leaves what would not get smaller plain", func(t *testing.T) {
		rnd := rand.NewChaCha8([32]byte{7})
		random := make([]byte, 200)
		_, err := rnd.Read(random)
		require.NoError(t, err)
		raw := funcCodec{
			contentType: func() string { return "application/octet-stream" },
			marshal:     func(any) ([]byte, error) { return random, nil },
			unmarshal:   func(data []byte, v any) error { v.(*note).Text = string(data); return nil },
		}
		r := serializer.NewRegistry(nil)
		serializer.Register[note](r, "note", serializer.WithCodec(serializer.Compressed(raw, &serializer.CompressOptions{MinSize: 1})))
		e, err := r.Encode(note{})
		require.NoError(t, err)
		require.Equal(t, "application/octet-stream", e.ContentType)
		requireDecodes(t, r, e, note{Text: string(random)})
	})
	t.Run("has a default size of 1024 bytes", func(t *testing.T) {
		r := newRegistry(t, func(r *serializer.Registry) {
			serializer.Register[note](r, "note", serializer.WithCodec(serializer.Compressed(serializer.JSON(), nil)))
		})
		for size, want := range map[int]string{1023: "application/json", 1024: "application/json+gzip"} {
			e, err := r.Encode(noteOf(size))
			require.NoError(t, err)
			require.Equal(t, want, e.ContentType, size)
		}
	})
	t.Run("takes more time for smaller payloads at a higher level", func(t *testing.T) {
		var words strings.Builder
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			fmt.Fprintf(&words, "%d ", rnd.IntN(500))
		}
		size := func(level int) int {
			e, err := compressedNotes(t, serializer.CompressOptions{Level: level}).Encode(note{Text: words.String()})
			require.NoError(t, err)
			requireDecodes(t, r, e, note{Text: words.String()})
			return len(e.Data)
		}
		require.Less(t, size(9), size(1))
		require.Equal(t, size(6), size(0))
	})
	t.Run("writes the same bytes each time, from any number of goroutines", func(t *testing.T) {
		want, err := r.Encode(noteOf(5000))
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					e, err := r.Encode(noteOf(5000))
					if err != nil || !bytes.Equal(e.Data, want.Data) {
						t.Error("other bytes", err)
					}
					if v, err := r.Decode(e); err != nil || v != noteOf(5000) {
						t.Error("another value", err)
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("as a codec of its own writes its content type whatever the size", func(t *testing.T) {
		c := serializer.Compressed(serializer.JSON(), nil)
		data, err := c.Marshal(&note{Text: "a"})
		require.NoError(t, err)
		var back note
		require.NoError(t, c.Unmarshal(data, &back))
		require.Equal(t, note{Text: "a"}, back)
	})
}

func requireDecodes(t *testing.T, r *serializer.Registry, e serializer.Encoded, want any) {
	t.Helper()
	got, err := r.Decode(e)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestCompressionComesAndGoes(t *testing.T) {
	plain := newRegistry(t, func(r *serializer.Registry) { serializer.Register[note](r, "note") })
	compressed := compressedNotes(t, serializer.CompressOptions{})
	before, err := plain.Encode(noteOf(1000))
	require.NoError(t, err)
	during, err := compressed.Encode(noteOf(1000))
	require.NoError(t, err)
	after := serializer.NewRegistry(&serializer.Options{
		Codecs: []serializer.Codec{serializer.Compressed(serializer.JSON(), nil)},
	})
	serializer.Register[note](after, "note")
	t.Run("a registry that compresses reads what was stored before", func(t *testing.T) {
		requireDecodes(t, compressed, before, noteOf(1000))
	})
	t.Run("one that does no longer reads it as long as it lists the codec", func(t *testing.T) {
		requireDecodes(t, after, during, noteOf(1000))
		_, err := plain.Decode(during)
		require.EqualError(t, err, `serializer: decode note v1: no codec for content type "application/json+gzip"; add it to Options.Codecs`)
	})
	t.Run("plain payloads are read by the very codec that wrote them", func(t *testing.T) {
		r := newRegistry(t, func(r *serializer.Registry) {
			strict := strictCodec{serializer.JSON()}
			serializer.Register[note](r, "note", serializer.WithCodec(serializer.Compressed(strict, nil)))
		})
		_, err := r.Decode(serializer.Encoded{Type: "note", Schema: 1, ContentType: "application/json", Data: []byte(`{"x":1}`)})
		require.ErrorContains(t, err, `unknown field "x"`)
	})
}

func TestCompressedPayloadsThatAreNotWhatTheySay(t *testing.T) {
	opts := serializer.CompressOptions{MaxSize: 10_000}
	r := compressedNotes(t, opts)
	good, err := r.Encode(noteOf(10_000))
	require.NoError(t, err)
	requireDecodes(t, r, good, noteOf(10_000))
	refuses := func(t *testing.T, data []byte, why string) error {
		v, err := r.Decode(serializer.Encoded{Type: "note", Schema: 1, ContentType: "application/json+gzip", Data: data})
		require.Nil(t, v)
		require.ErrorContains(t, err, "serializer: decode note v1 into serializer_test.note: decompress: "+why)
		return err
	}
	t.Run("a bomb is refused at MaxSize", func(t *testing.T) {
		err := refuses(t, bomb(t, 10_001), "payload too large: it would have more bytes than CompressOptions.MaxSize, which is 10000")
		require.ErrorIs(t, err, serializer.ErrTooLarge)
		large := bomb(t, 5<<20)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refuses(t, large, "payload too large")
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "bytes are allocated for a bomb")
	})
	t.Run("one that is cut off is refused", func(t *testing.T) {
		for n := range len(good.Data) {
			refuses(t, good.Data[:n], "")
		}
	})
	t.Run("one with a flipped bit is refused by its checksum", func(t *testing.T) {
		damaged := bytes.Clone(good.Data)
		damaged[len(damaged)-6] ^= 1
		refuses(t, damaged, "gzip: invalid checksum")
	})
	t.Run("bytes after its end are refused", func(t *testing.T) {
		refuses(t, append(bytes.Clone(good.Data), 0, 0), "2 bytes come after its end")
		refuses(t, append(bytes.Clone(good.Data), good.Data...), "62 bytes come after its end")
	})
	t.Run("a plain one is refused", func(t *testing.T) {
		refuses(t, []byte(`{"text":"hello"}`), "gzip: invalid header")
	})
	t.Run("what could not be read is not written", func(t *testing.T) {
		_, err := r.Encode(noteOf(10_001))
		require.ErrorIs(t, err, serializer.ErrTooLarge)
		require.EqualError(t, err, "serializer: encode serializer_test.note as note v1: payload too large: it has 10001 bytes; "+
			"CompressOptions.MaxSize is 10000")
	})
}

// bomb returns a note of n bytes as gzip, in a thousandth of them.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := fmt.Fprintf(w, `{"text":"%s"}`, strings.Repeat("x", n-len(`{"text":""}`)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestMistakesInACompressedCodec(t *testing.T) {
	for name, c := range map[string]serializer.Codec{
		"compressed codec: the codec is nil": serializer.Compressed(nil, nil),
		"compressed codec: CompressOptions.Level is 10; gzip has levels 1 to 9, and 0 means its default": serializer.
			Compressed(serializer.JSON(), &serializer.CompressOptions{Level: 10}),
		"compressed codec: CompressOptions: MinSize -1 or MaxSize 67108864 is below 0 or above 1 GiB": serializer.
			Compressed(serializer.JSON(), &serializer.CompressOptions{MinSize: -1}),
		`compressed codec: content type "" of codec serializer_test.funcCodec is empty`: serializer.Compressed(named(""), nil),
	} {
		t.Run(name, func(t *testing.T) {
			r := serializer.NewRegistry(nil)
			serializer.Register[note](r, "note", serializer.WithCodec(c))
			require.EqualError(t, r.Err(), `serializer: register "note" for serializer_test.note: `+name)
			_, err := c.Marshal(&note{})
			require.EqualError(t, err, name)
			require.EqualError(t, c.Unmarshal(nil, &note{}), name)
		})
	}
}

// chooser writes by one of two codecs.
type chooser struct {
	serializer.Codec
	others func() []serializer.Codec
	choose func(v any) ([]byte, string, error)
}

func (c chooser) Others() []serializer.Codec                  { return c.others() }
func (c chooser) MarshalChosen(v any) ([]byte, string, error) { return c.choose(v) }

func TestMistakesOfAChooser(t *testing.T) {
	register := func(c serializer.Codec) *serializer.Registry {
		r := serializer.NewRegistry(nil)
		serializer.Register[note](r, "note", serializer.WithCodec(c))
		return r
	}
	const registering = `serializer: register "note" for serializer_test.note: `
	t.Run("a content type that it does not have is refused before it is stored", func(t *testing.T) {
		r := register(chooser{
			Codec:  serializer.JSON(),
			others: func() []serializer.Codec { return []serializer.Codec{gobCodec{}} },
			choose: func(any) ([]byte, string, error) { return nil, "text/plain", nil },
		})
		require.NoError(t, r.Err())
		_, err := r.Encode(note{})
		require.EqualError(t, err, `serializer: encode serializer_test.note as note v1: codec serializer_test.chooser chose `+
			`content type "text/plain", which neither it nor one of its Others has`)
	})
	t.Run("a codec among its Others that is none is a mistake", func(t *testing.T) {
		r := register(chooser{Codec: serializer.JSON(), others: func() []serializer.Codec { return []serializer.Codec{nil} }})
		require.EqualError(t, r.Err(), registering+"codec serializer_test.chooser writes by others: the codec is nil")
	})
	t.Run("a panic is a mistake", func(t *testing.T) {
		r := register(chooser{Codec: serializer.JSON()})
		require.ErrorContains(t, r.Err(), registering+"panic: ")
	})
	t.Run("one that lists itself is no endless circle", func(t *testing.T) {
		c := &chooser{Codec: serializer.JSON()}
		c.others = func() []serializer.Codec { return []serializer.Codec{c} }
		require.NoError(t, register(c).Err())
	})
}
