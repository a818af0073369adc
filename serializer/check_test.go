package serializer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// release is one release of a program, whose samples are in a directory that it shares with the others.
type release struct {
	dir      string
	register func(*serializer.Registry)
	opts     serializer.CheckOptions
}

func (r release) check(t *testing.T, mode string) error {
	t.Helper()
	t.Setenv(serializer.SamplesVariable, mode)
	reg := serializer.NewRegistry(nil)
	r.register(reg)
	r.opts.Dir = r.dir
	return serializer.Check(reg, &r.opts)
}

// released returns a release whose samples are written.
func released(t *testing.T, register func(*serializer.Registry)) release {
	t.Helper()
	r := release{dir: filepath.Join(t.TempDir(), "samples"), register: register}
	require.NoError(t, r.check(t, "new"))
	require.NoError(t, r.check(t, ""))
	return r
}

func (r release) files(t *testing.T) map[string]string {
	t.Helper()
	found, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range found {
		data, err := os.ReadFile(filepath.Join(r.dir, f.Name()))
		require.NoError(t, err)
		files[f.Name()] = string(data)
	}
	return files
}

// as registers T at a version of order.placed.
func as[T any](schema int) func(*serializer.Registry) {
	return func(r *serializer.Registry) {
		serializer.Register[T](r, "order.placed", serializer.Version(schema))
	}
}

type placedWithNote struct {
	ID    string `json:"id"`
	Total int64  `json:"total"`
	Note  string `json:"note,omitempty"`
}

type placedRenamed struct {
	ID     string `json:"id"`
	Amount int64  `json:"amount"`
}

type placedLess struct {
	ID string `json:"id"`
}

type placedOtherwise struct {
	OrderID string `json:"id"`
	Total   string `json:"total"`
}

// otherNames is written as placed is.
type otherNames struct {
	Sum     int    `json:"total"`
	OrderID string `json:"id"`
}

func TestCheckKeepsSamples(t *testing.T) {
	t.Run("asks for those that are missing, and writes them when told to", func(t *testing.T) {
		r := release{dir: filepath.Join(t.TempDir(), "samples"), register: as[placed](1)}
		path := filepath.Join(r.dir, "order.placed.v1.json")
		require.EqualError(t, r.check(t, ""), "serializer: no sample of order.placed v1: run the test with "+
			"TIDEMARK_SAMPLES=new, which writes "+path+", and commit that")
		require.NoDirExists(t, r.dir)
		require.NoError(t, r.check(t, "new"))
		require.Equal(t, map[string]string{"order.placed.v1.json": `{
  "type": "order.placed",
  "schema": 1,
  "content_type": "application/json",
  "payload": {
    "id": "text",
    "total": 1
  }
}
`}, r.files(t))
		require.NoError(t, r.check(t, ""))
	})
	t.Run("writes nothing over, in any mode", func(t *testing.T) {
		r := released(t, as[placed](1))
		before := r.files(t)
		for _, mode := range []string{"new", "compatible"} {
			require.NoError(t, r.check(t, mode))
			r.register = as[placedRenamed](1)
			require.Error(t, r.check(t, mode))
			r.register = as[placed](1)
		}
		require.Equal(t, before, r.files(t))
	})
	t.Run("refuses to write where another file stands", func(t *testing.T) {
		r := release{dir: t.TempDir(), register: as[placed](1)}
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, "order.placed.v1.json"),
			[]byte(`{"type":"shipped","schema":1,"content_type":"application/json","payload":{}}`), 0o600))
		require.ErrorIs(t, r.check(t, "new"), os.ErrExist)
	})
	t.Run("knows its modes only", func(t *testing.T) {
		r := release{dir: t.TempDir(), register: as[placed](1)}
		require.EqualError(t, r.check(t, "yes"), `serializer: TIDEMARK_SAMPLES is "yes"; it may be new or compatible`)
	})
	t.Run("keeps any name and any content type", func(t *testing.T) {
		r := released(t, func(r *serializer.Registry) {
			serializer.Register[placed](r, "a/b <c>")
			serializer.Register[*note](r, "..", serializer.WithCodec(gobCodec{}))
			serializer.Register[[]string](r, "compressed", serializer.WithCodec(
				serializer.Compressed(serializer.JSON(), &serializer.CompressOptions{MinSize: 1})))
		})
		require.Contains(t, r.files(t), "a%2Fb%20%3Cc%3E.v1.json")
		require.Contains(t, r.files(t)["...v1.json"], `"payload_base64": "`)
		require.Contains(t, r.files(t)["a%2Fb%20%3Cc%3E.v1.json"], `"type": "a/b <c>"`)
	})
	t.Run("is content with a mistake in the registry to report", func(t *testing.T) {
		err := release{register: as[placed](0)}.check(t, "new")
		require.ErrorContains(t, err, "schema version 0 is below 1")
	})
}

func TestCheckSeesAChangedStruct(t *testing.T) {
	for name, c := range map[string]struct {
		register   func(*serializer.Registry)
		difference string
		harmless   bool
	}{
		"a field was added": {as[placedWithNote](1), "    + note: \"text\"\n", true},
		"a field was renamed": {as[placedRenamed](1),
			"    + amount: 1\n    - total: 1\n", false},
		"a field was removed":    {as[placedLess](1), "    - total: 1\n", false},
		"a field's type changed": {as[placedOtherwise](1), "    - total: 1\n    + total: \"text\"\n", false},
		"the codec changed": {func(r *serializer.Registry) {
			serializer.Register[placed](r, "order.placed", serializer.WithCodec(gobCodec{}))
		}, "    - as application/json\n    + as application/x-gob\n    + ID: \"text\"\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := released(t, as[placed](1))
			r.register = c.register
			err := r.check(t, "")
			path := filepath.Join(r.dir, "order.placed.v1.json")
			require.ErrorContains(t, err, "otherwise than in "+path+", but under the same version:\n")
			if name != "the codec changed" {
				require.ErrorContains(t, err, "under the same version:\n"+c.difference)
			}
			require.ErrorContains(t, err, "If v1 was released, register the type with serializer.Version(2), add an upcaster "+
				"step from v1, and run the test with TIDEMARK_SAMPLES=new.")
			require.ErrorContains(t, err, "If v1 was not released, remove that file and run it with TIDEMARK_SAMPLES=new.")
			require.Equal(t, c.harmless, strings.Contains(err.Error(), "TIDEMARK_SAMPLES=compatible"))

			require.Error(t, r.check(t, "new"), "as a matter of course it is not accepted")
			require.Equal(t, c.harmless, r.check(t, "compatible") == nil)
			require.Equal(t, c.harmless, r.check(t, "") == nil)
			require.Equal(t, c.harmless, len(r.files(t)) == 2)
		})
	}
	t.Run("its Go names and the order of its fields are no change", func(t *testing.T) {
		r := released(t, as[placed](1))
		r.register = as[otherNames](1)
		require.NoError(t, r.check(t, ""))
	})
	t.Run("a new name with an alias is no change", func(t *testing.T) {
		r := released(t, as[placed](1))
		r.register = func(r *serializer.Registry) {
			serializer.Register[placed](r, "order.opened", serializer.Alias("order.placed"))
		}
		require.NoError(t, r.check(t, ""))
	})
	t.Run("going back to the struct before a compatible change is one", func(t *testing.T) {
		r := released(t, as[placed](1))
		r.register = as[placedWithNote](1)
		require.NoError(t, r.check(t, "compatible"))
		r.register = as[placed](1)
		require.EqualError(t, r.check(t, ""), "serializer: "+filepath.Join(r.dir, "order.placed.v1.2.json")+
			": serializer_test.placed loses or changes what stands in a payload of order.placed v1:\n    - note: \"text\"\n"+
			"  Register the type with serializer.Version(2) and add an upcaster step from v1")
	})
}

// upcast stands in for a chain that knows one step.
func upcast(s serializer.Sample) ([]serializer.Encoded, error) {
	if s.Type != "order.placed" || s.Schema != 1 {
		return []serializer.Encoded{s.Encoded}, nil
	}
	var old placed
	if err := json.Unmarshal(s.Data, &old); err != nil {
		return nil, err
	}
	s.Schema = 2
	s.Data = fmt.Appendf(nil, `{"id":%q,"amount":%d}`, old.ID+s.Metadata["suffix"], old.Total)
	return []serializer.Encoded{s.Encoded}, nil
}

func TestCheckReadsEverySample(t *testing.T) {
	second := func(t *testing.T) release {
		r := released(t, as[placed](1))
		r.register, r.opts.Upcast = as[placedRenamed](2), upcast
		return r
	}
	t.Run("of earlier versions through the upcaster", func(t *testing.T) {
		r := second(t)
		require.ErrorContains(t, r.check(t, ""), "no sample of order.placed v2")
		require.NoError(t, r.check(t, "new"))
		require.NoError(t, r.check(t, ""))
		require.Len(t, r.files(t), 2)
	})
	t.Run("and says which one has no step", func(t *testing.T) {
		r := second(t)
		require.NoError(t, r.check(t, "new"))
		r.opts.Upcast = nil
		err := r.check(t, "")
		require.ErrorIs(t, err, serializer.ErrUnknownType)
		require.EqualError(t, err, "serializer: "+filepath.Join(r.dir, "order.placed.v1.json")+": serializer: unknown type: "+
			"order.placed v1, registered as order.placed v2; an upcaster step from v1 is missing")
	})
	t.Run("and says for which one a step fails or panics", func(t *testing.T) {
		r := second(t)
		require.NoError(t, r.check(t, "new"))
		path := filepath.Join(r.dir, "order.placed.v1.json")
		r.opts.Upcast = func(serializer.Sample) ([]serializer.Encoded, error) { return nil, errors.New("no total") }
		require.ErrorContains(t, r.check(t, ""), path+": no total")
		r.opts.Upcast = func(serializer.Sample) ([]serializer.Encoded, error) { panic("ouch") }
		require.ErrorContains(t, r.check(t, ""), path+": panic: ouch")
		r.opts.Upcast = func(s serializer.Sample) ([]serializer.Encoded, error) {
			s.Schema, s.Data = 2, []byte(`{"id":7}`)
			return []serializer.Encoded{s.Encoded}, nil
		}
		require.ErrorContains(t, r.check(t, ""), path+": serializer: decode order.placed v2 into serializer_test.placedRenamed: json")
	})
	t.Run("and asks for those of earlier versions that are gone", func(t *testing.T) {
		r := second(t)
		require.NoError(t, r.check(t, "new"))
		path := filepath.Join(r.dir, "order.placed.v1.json")
		require.NoError(t, os.Remove(path))
		require.EqualError(t, r.check(t, "new"), "serializer: no sample of order.placed v1: bring "+path+" back from the release "+
			"that wrote it, or put one there by hand; if nothing was ever stored at this version, say in CheckOptions.Since at "+
			"which it began")
		r.opts.Since = map[string]int{"order.placed": 2}
		require.NoError(t, r.check(t, ""))
	})
	t.Run("of whichever file name, with metadata, tags and time", func(t *testing.T) {
		r := second(t)
		require.NoError(t, r.check(t, "new"))
		put(t, r, "from the database.json", `{"type":"order.placed","schema":1,"content_type":"application/json",
			"payload":{"id":"7"},"metadata":{"suffix":"b"},"tags":["vip"],"recorded_at":"2024-02-29T12:00:00Z"}`)
		var seen []serializer.Sample
		r.opts.Upcast = func(s serializer.Sample) ([]serializer.Encoded, error) {
			seen = append(seen, s)
			return upcast(s)
		}
		require.NoError(t, r.check(t, ""))
		require.Equal(t, map[string]string{"suffix": "b"}, seen[0].Metadata)
		require.Equal(t, []string{"vip"}, seen[0].Tags)
		require.Equal(t, time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), seen[0].RecordedAt)
		put(t, r, "gone.json", `{"type":"order.gone","schema":1,"content_type":"application/json","payload":{}}`)
		require.ErrorContains(t, r.check(t, ""), "nothing is registered as order.gone v1")
		put(t, r, "gone.json", `{"type":"order.placed","schema":2,"content_type":"text/plain","payload_base64":"eA=="}`)
		require.ErrorContains(t, r.check(t, ""), `no codec for content type "text/plain"`)
	})
	t.Run("and counts what is empty as nothing that could be lost", func(t *testing.T) {
		r := released(t, as[placedWithNote](1))
		put(t, r, "empty.json", `{"type":"order.placed","schema":1,"content_type":"application/json",
			"payload":{"id":"7","total":100,"note":"","gone":null,"lines":[],"fields":{},"zero":0,"no":false}}`)
		require.NoError(t, r.check(t, ""))
		put(t, r, "full.json", `{"type":"order.placed","schema":1,"content_type":"application/json",
			"payload":{"id":"7","lines":[{"sku":"a"}],"big":12345678901234567890,"list":[[]]}}`)
		require.ErrorContains(t, r.check(t, ""), "stands in a payload of order.placed v1:\n"+
			"    - big: 12345678901234567890\n    - lines[0].sku: \"a\"\n  Register")
	})
}

func put(t *testing.T, r release, name, data string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, name), []byte(data), 0o600))
}

func TestFilesThatAreNoSamples(t *testing.T) {
	for data, want := range map[string]string{
		`{`: "unexpected EOF",
		`{"type":"order.placed","schema":1,"content_type":"application/json","paylaod":{}}`:          `json: unknown field "paylaod"`,
		`{"schema":1,"content_type":"application/json","payload":{}}`:                                "type, schema or content_type is missing",
		`{"type":"order.placed","schema":1,"content_type":"a","payload":{},"payload_base64":"eA=="}`: "it has both payload and payload_base64",
	} {
		t.Run(want, func(t *testing.T) {
			r := released(t, as[placed](1))
			put(t, r, "x.json", data)
			require.ErrorContains(t, r.check(t, ""), "serializer: sample "+filepath.Join(r.dir, "x.json")+": "+want)
		})
	}
	t.Run("other files and directories are left alone", func(t *testing.T) {
		r := released(t, as[placed](1))
		put(t, r, "README", "how these came about")
		require.NoError(t, os.Mkdir(filepath.Join(r.dir, "sub.json"), 0o700))
		require.NoError(t, r.check(t, ""))
	})
}

func TestCheckTellsAKeyWithADotFromAPath(t *testing.T) {
	type nested struct {
		A struct {
			B int `json:"b"`
		} `json:"a"`
	}
	r := released(t, as[nested](1))
	put(t, r, "real.json", `{"type":"order.placed","schema":1,"content_type":"application/json","payload":{"a.b":7,"a":{"b":7}}}`)
	require.ErrorContains(t, r.check(t, ""), "stands in a payload of order.placed v1:\n    - [\"a.b\"]: 7\n  Register")
}
