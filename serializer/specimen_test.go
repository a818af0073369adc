package serializer_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// grade takes a few values only.
type grade string

func (g *grade) UnmarshalText(text []byte) error {
	if *g = grade(text); *g != "good" && *g != "bad" {
		return errors.New("no such grade")
	}
	return nil
}

type graded struct {
	Grade grade `json:"grade"`
}

// dropper does not read what it writes.
type dropper struct{ written bool }

func (d *dropper) MarshalJSON() ([]byte, error) {
	if d.written {
		return []byte(`{}`), nil
	}
	return []byte(`{"a":1}`), nil
}

func (d *dropper) UnmarshalJSON([]byte) error {
	d.written = true
	return nil
}

// tree contains itself in each way.
type tree struct {
	Name     string
	Left     *tree
	Children []tree
	ByName   map[string]tree
}

type base struct {
	Version uint8
}

type wide struct {
	base
	placed
	When   time.Time
	For    time.Duration
	Price  float64
	OK     bool
	Bytes  []byte
	List   []placed
	Array  [2]int8
	Map    map[string]*int
	ID     uuid.UUID
	Big    big.Int
	Raw    json.RawMessage
	Any    any
	Tree   tree
	hidden string
}

// stamp is embedded with a time that nobody can set and one that can be.
type stamp struct {
	at  time.Time
	Set time.Time
}

type withHiddenTimes struct {
	stamp
	N     int
	at    time.Time
	inner struct{ At time.Time }
	array [1]time.Time
}

func TestTimesThatNobodyCanSetStayZero(t *testing.T) {
	none := withHiddenTimes{}
	require.Equal(t, none.at, none.stamp.at)
	require.Equal(t, none.array[0], none.inner.At)
	r := released(t, func(r *serializer.Registry) { serializer.Register[withHiddenTimes](r, "hidden") })
	require.Contains(t, r.files(t)["hidden.v1.json"], `"payload": {
    "Set": "2001-02-03T04:05:06.000007Z",
    "N": 1
  }`)
}

func TestSamplesAreMadeUp(t *testing.T) {
	t.Run("with something in every field", func(t *testing.T) {
		require.Empty(t, wide{}.hidden)
		r := released(t, func(r *serializer.Registry) { serializer.Register[wide](r, "wide") })
		var sample struct{ Payload json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(r.files(t)["wide.v1.json"]), &sample))
		require.JSONEq(t, `{"Version":1, "id":"text", "total":1, "When":"2001-02-03T04:05:06.000007Z", "For":1, "Price":1.5,
			"OK":true, "Bytes":"AQ==", "List":[{"id":"text","total":1}], "Array":[1,1], "Map":{"text":1},
			"ID":"00000000-0000-0000-0000-000000000000", "Big":0, "Raw":null, "Any":null,
			"Tree":{"Name":"text",
			"Left":{"Name":"","Left":null,"Children":null,"ByName":null},
			"Children":[{"Name":"","Left":null,"Children":null,"ByName":null}],
			"ByName":{"text":{"Name":"","Left":null,"Children":null,"ByName":null}}}}`, string(sample.Payload))
	})
	t.Run("of any kind of type", func(t *testing.T) {
		released(t, func(r *serializer.Registry) {
			serializer.Register[*note](r, "pointer")
			serializer.Register[map[int]string](r, "map")
			serializer.Register[[]any](r, "list")
			serializer.Register[string](r, "text")
			serializer.Register[float32](r, "number")
			serializer.Register[struct{}](r, "empty")
			serializer.Register[json.RawMessage](r, "raw")
		})
	})
	t.Run("unless the type refuses that and a value is given", func(t *testing.T) {
		r := release{dir: t.TempDir(), register: func(r *serializer.Registry) { serializer.Register[graded](r, "graded") }}
		require.EqualError(t, r.check(t, "new"), "serializer: sample of graded v1 that was made up: no such grade; give a "+
			"serializer_test.graded that can be written and read in CheckOptions.Samples")
		r.opts.Samples = []any{graded{Grade: "ugly"}}
		require.EqualError(t, r.check(t, "new"), "serializer: sample of graded v1: no such grade")
		require.Empty(t, r.files(t))
		r.opts.Samples = []any{graded{Grade: "good"}}
		require.NoError(t, r.check(t, "new"))
		require.Contains(t, r.files(t)["graded.v1.json"], `"grade": "good"`)
	})
	t.Run("and not kept if the type does not read them", func(t *testing.T) {
		r := release{dir: t.TempDir(), register: func(r *serializer.Registry) {
			serializer.Register[*dropper](r, "dropper")
		}}
		require.EqualError(t, r.check(t, "new"), "serializer: *serializer_test.dropper does not read what it has written "+
			"itself:\n    - a: 1\n  Look at its methods and tags; if it is the value that is to blame, give another one in "+
			"CheckOptions.Samples")
		require.Empty(t, r.files(t))
	})
	t.Run("where the values that are given are of registered types, one of each", func(t *testing.T) {
		r := release{dir: t.TempDir(), register: as[placed](1), opts: serializer.CheckOptions{Samples: []any{shipped{}}}}
		require.EqualError(t, r.check(t, ""), "serializer: CheckOptions.Samples[0]: serializer: unknown type: "+
			"serializer_test.shipped is not registered; add serializer.Register[serializer_test.shipped](registry, name)")
		r.opts.Samples = []any{placed{}, placed{}}
		require.EqualError(t, r.check(t, ""), "serializer: CheckOptions.Samples[1] is the second value of serializer_test.placed")
	})
}
