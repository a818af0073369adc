package gojson_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/codecs/gojson"
	"github.com/tidemark-go/tidemark/serializer"
)

type base struct {
	Version int `json:"version"`
}

// everything has a field of each kind that events have.
type everything struct {
	base
	Text     string            `json:"text"`
	Small    int8              `json:"small"`
	Large    uint64            `json:"large,omitempty"`
	Price    float64           `json:"price"`
	Ratio    float32           `json:"ratio,omitzero"`
	OK       bool              `json:"ok,string"`
	Inner    *everything       `json:"inner"`
	List     []everything      `json:"list"`
	Counts   map[string]int    `json:"counts"`
	ByID     map[int]string    `json:"by_id"`
	Any      any               `json:"any"`
	Raw      json.RawMessage   `json:"raw"`
	When     time.Time         `json:"when"`
	For      time.Duration     `json:"for"`
	Bytes    []byte            `json:"bytes"`
	Array    [2]int            `json:"array"`
	Big      *big.Int          `json:"big"`
	Number   json.Number       `json:"number"`
	ID       uuid.UUID         `json:"id"`
	Labels   map[string]string `json:"labels,omitempty"`
	Ignored  string            `json:"-"`
	Untagged string
}

// kinds makes what a payload is read into.
func kinds() []func() any {
	return []func() any{
		func() any { return new(everything) },
		func() any { return new(any) },
		func() any { return new(map[string]any) },
		func() any { return new(map[string]everything) },
		func() any { return new([]string) },
		func() any { return new(*base) },
		func() any { return new(json.RawMessage) },
	}
}

// FuzzSameAsEncodingJSON is what keeps this codec in the project.
func FuzzSameAsEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{"version":1,"text":"\u00e9\ud800 <&>","small":127,"large":18446744073709551615,"price":1.5e300,"ratio":1.1,"ok":"true",
			"inner":{"text":"in"},"list":[{}],"counts":{"a":1},"by_id":{"-1":"x"},"any":[1,"a",null,{"b":1.5}],"raw":{"x": 1},
			"when":"2024-01-01T00:00:00.5+01:00","for":5,"bytes":"AQI=","array":[1,2],"big":12345678901234567890123,"number":1.50,
			"id":"018f3c6e-7b1a-7cc3-98c4-dc0c0c07398f","labels":{"a":"b"},"Untagged":"u"}`,
		`{"small":300}`, `{"TEXT":"a","Text":"b"}`, `null`, `{"inner":null,"list":null}`, `[1,2,3]`, `{"array":[1,2,3]}`, `{"array":[1]}`,
		"{\"text\":\"\xff\"}", `{"price":1e999}`, `{"small":1.0}`, `{"number":"12"}`, `{"bytes":[1,2]}`, `{"counts":{"a":1,"a":2}}`,
		`{"ok":true}`, ` {"text" : "a" } `, `{"text":"a"}x`, `{"text":"a\n"}`, `{"large":-1}`, `{"any":1e5}`, `{"text":"\x"}`, `{"price":01}`,
		`{"price":.5}`, `["a","b"]`, "{\"text\":\"a\tb\"}", `{"text":"\u0000\u2028"}`, `{"\29\`, `{"version":7}`, `{"id":7}`, `{"when":""}`,
	} {
		for kind := range kinds() {
			f.Add(byte(kind), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		v := kinds()[int(kind)%len(kinds())]
		want, got, before := v(), v(), bytes.Clone(data)
		wantErr, gotErr := serializer.JSON().Unmarshal(data, want), gojson.New().Unmarshal(data, got)
		require.Equal(t, before, data)
		require.Equal(t, wantErr == nil, gotErr == nil, "one returned %v, the other %v", wantErr, gotErr)
		if wantErr != nil {
			return
		}
		require.Equal(t, want, got)
		wantText, wantErr := serializer.JSON().Marshal(want)
		gotText, gotErr := gojson.New().Marshal(got)
		require.Equal(t, wantErr == nil, gotErr == nil, "one returned %v, the other %v", wantErr, gotErr)
		require.Equal(t, string(wantText), string(gotText))
	})
}
