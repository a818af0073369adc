package privacy

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse: no text makes parse panic, and each value has one text only.
func FuzzParse(f *testing.F) {
	valid := sealed{subject: "c-1", generation: 3, fallback: []byte(`"x"`), box: make([]byte, 28)}.String()
	for _, text := range []string{"", marker, plainMarker, sealMarker, valid, valid + ":", strings.Replace(valid, ":3:", ":03:", 1),
		strings.Replace(valid, ":3:", ":-1:", 1), valid + "=", valid[:len(valid)-1] + "\n",
		valid[:strings.LastIndexByte(valid, ':')]} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		require.Equal(t, text, s.String())
		require.NotEmpty(t, s.subject)
		require.Positive(t, s.generation)
	})
}

type fuzzed struct {
	ID    string `json:"id" privacy:"subject"`
	Name  string `json:"name" privacy:"personal"`
	Inner []struct {
		Name any            `json:"name" privacy:"personal,fallback=0"`
		Map  map[string]any `json:"map"`
	} `json:"inner"`
	Self map[string]*fuzzed `json:"self"`
	Free any                `json:"free"`
}

// FuzzScan: no bytes make scan panic, and in valid JSON it finds each text that begins with the marker.
func FuzzScan(f *testing.F) {
	guide, err := planOf(reflect.TypeFor[fuzzed](), false)
	require.NoError(f, err)
	for _, text := range []string{``, `{`, `[[[[`, `"\`, `null`, `{"id":"1","name":"Ada"}`, `{"id":7,"name":{"a":["}"]}}`,
		`{"name":"\"","id":null}`, `{"self":{"a\"b":{"id":"2","name":1}}}`, `{"inner":[{"name":null},{"name":"x","map":{"k":[]}}]}`,
		`{"free":["tidemark-sealed:1:",{"tidemark-sealed:":"tidemark-sealed:0:"}]}`, ` [ 1 , 2 ] `, `{"id":"1","name":"x",}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := json.Valid(data)
		for _, p := range []*plan{nil, guide} {
			places, err := scan(data, p, "someone")
			if err == nil {
				checkPlaces(t, data, places, valid)
			}
			require.False(t, err != nil && p == nil && valid, "%v", err)
			if p == nil && valid && bytes.IndexByte(data, '\\') < 0 {
				require.Len(t, places, countMarked(t, data))
			}
		}
	})
}

// checkPlaces checks that places stand in order, and that what is valid stays so when they are replaced.
func checkPlaces(t *testing.T, data []byte, places []place, valid bool) {
	texts, at := make([][]byte, len(places)), 0
	for i, p := range places {
		require.True(t, at <= p.start && p.start < p.end && p.end <= len(data), "%d, %v", at, p)
		at, texts[i] = p.end, []byte(" 0 ")
		require.True(t, !valid || json.Valid(data[p.start:p.end]))
	}
	require.True(t, !valid || json.Valid(replaced(data, places, texts)))
}

// countMarked counts, by encoding/json, the texts that begin with the marker and name no member.
func countMarked(t *testing.T, data []byte) (n int) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var objects []bool // for each level that is open, whether it is an object
	name := false      // a name comes next
	for dec.More() || len(objects) > 0 {
		token, err := dec.Token()
		require.NoError(t, err)
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				objects = append(objects, token == '{')
				name = token == '{'
				continue
			}
			objects = objects[:len(objects)-1]
		case string:
			if name {
				name = false
				continue
			}
			if strings.HasPrefix(token, marker) {
				n++
			}
		}
		name = len(objects) > 0 && objects[len(objects)-1]
	}
	return n
}
