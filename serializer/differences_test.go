package serializer_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

type basket struct {
	Owner string         `json:"owner"`
	Gift  *bool          `json:"gift"`
	Lines []basketLine   `json:"lines,omitempty"`
	Notes map[string]any `json:"notes"`
	Total json.Number    `json:"total"`
}

// shelf leaves out what is nil, but not what is empty.
type shelf struct {
	Lists [][]int        `json:"lists,omitzero"`
	Inner *shelf         `json:"inner,omitzero"`
	Named map[string]any `json:"named,omitzero"`
}

type basketLine struct {
	SKU   string  `json:"sku"`
	Price float64 `json:"price"`
}

func TestDifferences(t *testing.T) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[basket](reg, "basket", serializer.Alias("cart"))
	serializer.Register[basketLine](reg, "line")
	require.NoError(t, reg.Err())
	payload := func(data string) serializer.Encoded {
		return serializer.Encoded{Type: "basket", Schema: 1, ContentType: "application/json", Data: []byte(data)}
	}
	for name, c := range map[string]struct {
		a, b string
		want []string
	}{
		"there are none in equal bytes":            {`{"owner":"ada"}`, `{"owner":"ada"}`, nil},
		"nor in how the fields are written":        {`{"owner":"ada","total":1}`, `{ "total": 1, "owner": "\u0061da" }`, nil},
		"nor in fields that the type has not":      {`{"owner":"ada","other":1}`, `{"owner":"ada"}`, nil},
		"nor in whether a list is empty or nil":    {`{"lines":[]}`, `{}`, nil},
		"nor in whether a map is empty or nil":     {`{"notes":{}}`, `{"notes":null}`, nil},
		"but in a value":                           {`{"owner":"ada"}`, `{"owner":"bob"}`, []string{"owner"}},
		"in one that is missing":                   {`{"owner":"ada"}`, `{}`, []string{"owner"}},
		"in whether false was said or nothing":     {`{"gift":false}`, `{}`, []string{"gift"}},
		"and in all that are further in":           {`{"lines":[{"sku":"a","price":1},{"sku":"b"}]}`, `{"lines":[{"sku":"c","price":2},{"sku":"b"}]}`, []string{"lines[0].price", "lines[0].sku"}},
		"and in what a longer list has":            {`{"lines":[{"sku":"a"}]}`, `{"lines":[{"sku":"a"},{"sku":"b"}]}`, []string{"lines[1].price", "lines[1].sku"}},
		"and in digits that a float would not see": {`{"total":9007199254740993}`, `{"total":9007199254740992}`, []string{"total"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reg.Differences(payload(c.a), payload(c.b))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			got, err = reg.Differences(payload(c.b), payload(c.a))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	t.Run("an alias is the same type", func(t *testing.T) {
		old := payload(`{"owner":"ada"}`)
		old.Type = "cart"
		got, err := reg.Differences(old, payload(`{"owner":"bob"}`))
		require.NoError(t, err)
		require.Equal(t, []string{"owner"}, got)
	})
	t.Run("what can't be decoded can't be compared", func(t *testing.T) {
		_, err := reg.Differences(payload(`{"owner":1}`), payload(`{}`))
		require.ErrorContains(t, err, "decode basket v1")
		_, err = reg.Differences(payload(`{}`), payload(`{"owner":`))
		require.ErrorContains(t, err, "decode basket v1")
	})
	t.Run("nor can two types", func(t *testing.T) {
		line := payload(`{}`)
		line.Type = "line"
		_, err := reg.Differences(payload(`{}`), line)
		require.EqualError(t, err, "serializer: compare basket with line: they are of two types")
	})
}

func TestNoTwoValuesCountAsOne(t *testing.T) {
	reg := newRegistry(t, func(r *serializer.Registry) { serializer.Register[json.RawMessage](r, "raw") })
	payload := func(data string) serializer.Encoded {
		return serializer.Encoded{Type: "raw", Schema: 1, ContentType: "application/json", Data: []byte(data)}
	}
	for name, c := range map[string]struct {
		a, b string
		want []string
	}{
		"a dot in a key is none in the path":       {`{"a.b":1}`, `{"a":{"b":1}}`, []string{`["a.b"]`, "a.b"}},
		"nor is a bracket":                         {`{"a[0]":1}`, `{"a":[1]}`, []string{`["a[0]"]`, "a[0]"}},
		"nor is a quoted key":                      {`{"a[\"b.c\"]":1}`, `{"a":{"b.c":1}}`, []string{`["a[\"b.c\"]"]`, `a["b.c"]`}},
		"nor is a quote":                           {`{"a\"].b":1}`, `{"a\"]":{"b":1}}`, []string{`["a\"].b"]`, `a"].b`}},
		"an object is no list":                     {`{"a":{"0":1}}`, `{"a":[1]}`, []string{"a.0", "a[0]"}},
		"an empty key is one":                      {`{"a":{"":1}}`, `{"a":1}`, []string{"a", `a[""]`}},
		"outermost too":                            {`{"":{"a":1}}`, `{"a":1}`, []string{`[""].a`, "a"}},
		"what is called payload is not all":        {`{"payload":1}`, `1`, []string{"payload", "payload"}},
		"a value is not what stands in it":         {`{"a":{"b":1}}`, `{"a":1}`, []string{"a", "a.b"}},
		"null is not the same as nothing":          {`{"a":null}`, `{}`, []string{"a"}},
		"nor as something empty of another name":   {`{"a":null}`, `{"b":[]}`, []string{"a"}},
		"nor as an object in which all is empty":   {`{"a":null}`, `{"a":{"b":[]}}`, []string{"a.b"}},
		"a list is not as long as a longer one":    {`[[1],[]]`, `[[1]]`, []string{"[1]"}},
		"nor with null at its end":                 {`[1,null]`, `[1]`, []string{"[1]"}},
		"nor with an object in which all is empty": {`[]`, `[{"a":[]}]`, []string{"[0].a"}},
		"nor is one that is left out":              {`{}`, `{"a":[[]]}`, []string{"a[0]"}},
		"an empty one is the same as null":         {`{"a":[],"b":{}}`, `{"a":null,"b":null}`, nil},
		"and as one that is left out":              {`{"a":[],"b":{"c":{}}}`, `{}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reg.Differences(payload(c.a), payload(c.b))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			got, err = reg.Differences(payload(c.b), payload(c.a))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestWhatIsNilIsTheSameAsWhatIsEmptyWhereNilIsLeftOut(t *testing.T) {
	reg := newRegistry(t, func(r *serializer.Registry) { serializer.Register[shelf](r, "shelf") })
	differ := func(a, b shelf) []string {
		t.Helper()
		first, err1 := reg.Encode(a)
		second, err2 := reg.Encode(b)
		require.NoError(t, errors.Join(err1, err2))
		require.NotEqual(t, first, second)
		paths, err := reg.Differences(first, second)
		require.NoError(t, err)
		return paths
	}
	require.Empty(t, differ(shelf{}, shelf{Lists: [][]int{}}))
	require.Empty(t, differ(shelf{}, shelf{Named: map[string]any{}}))
	require.Empty(t, differ(shelf{Lists: [][]int{nil}}, shelf{Lists: [][]int{{}}}))
	require.Empty(t, differ(shelf{Inner: &shelf{}}, shelf{Inner: &shelf{Lists: [][]int{}}}))
	require.Equal(t, []string{"lists[0]"}, differ(shelf{}, shelf{Lists: [][]int{nil}}))
	require.Equal(t, []string{"lists[1]"}, differ(shelf{Lists: [][]int{{}}}, shelf{Lists: [][]int{{}, {}}}))
}
