package serializer_test

import (
	"encoding/json"
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
