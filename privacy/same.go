package privacy

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/tidemark-go/tidemark/internal/decimal"
)

// same reports whether a value is the fallback, though a codec may space it and write its numbers in its own way.
func same(plain, fallback []byte) bool {
	if bytes.Equal(plain, fallback) {
		return true
	}
	a, errA := exact(plain)
	b, errB := exact(fallback)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// exact returns a JSON value in which numbers that are alike are written alike. A float64 would take large ones for their
// neighbours.
func exact(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&v)
	return withDecimals(v), err
}

func withDecimals(v any) any {
	switch v := v.(type) {
	case json.Number:
		return json.Number(decimal.Normal(v.String()))
	case []any:
		for i := range v {
			v[i] = withDecimals(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withDecimals(v[name])
		}
	}
	return v
}
