package serializer

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/tidemark-go/tidemark/internal/decimal"
)

// tree returns what stands in a payload as objects, lists and what is in them. If the codec can't read it without the type,
// that is what the type reads.
func (e *entry) tree(reg *Registry, enc Encoded) (any, error) {
	codec, ok := reg.codecFor(e, enc.ContentType)
	if !ok {
		return nil, fmt.Errorf("no codec for content type %q", enc.ContentType)
	}
	if v, err := untyped(codec, enc); err == nil {
		return v, nil
	}
	v, err := e.unmarshal(codec, enc.Data)
	if err != nil {
		return nil, err
	}
	data, err := jsonCodec{}.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v), nil
	}
	return untyped(jsonCodec{}, Encoded{ContentType: contentTypeJSON, Data: data})
}

// untyped reads a payload without knowing its type.
func untyped(c Codec, enc Encoded) (v any, err error) {
	defer catch(&err)
	if enc.ContentType == contentTypeJSON {
		c = jsonCodec{}
	}
	var exact exactJSON
	if exact.readBy(c, enc.Data) == nil && exact.read {
		return exact.value, nil
	}
	err = c.Unmarshal(enc.Data, &v)
	return v, err
}

// exactJSON keeps all digits of numbers, where an any has floats. Only a codec that has JSON within, such as a compressed
// one, calls its method.
type exactJSON struct {
	value any
	read  bool
}

func (e *exactJSON) readBy(c Codec, data []byte) (err error) {
	defer catch(&err)
	return c.Unmarshal(data, e)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *exactJSON) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	e.read = true
	return dec.Decode(&e.value)
}

// parts returns the values in an object or a list by the steps that lead there: ".sku", "[0]".
func parts(v any) map[string]any {
	within := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			within[stepTo(key)] = value
		}
	case map[any]any:
		for key, value := range v {
			within[stepTo(fmt.Sprint(key))] = value
		}
	case []any:
		for i, value := range v {
			within["["+strconv.Itoa(i)+"]"] = value
		}
	}
	return within
}

// stepTo quotes a key that could be taken for more than one step, so that no two values have the same path.
func stepTo(key string) string {
	if key == "" || strings.ContainsAny(key, ".[") {
		return "[" + strconv.Quote(key) + "]"
	}
	return "." + key
}

// shown returns a path as it is told to somebody.
func shown(path string) string { return cmp.Or(strings.TrimPrefix(path, "."), "payload") }

// leafText writes what has no parts.
func leafText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any, map[any]any:
		return "{}"
	case []any:
		return "[]"
	case string:
		return strconv.Quote(v)
	case []byte:
		return "base64 " + base64.StdEncoding.EncodeToString(v)
	case json.Number:
		return decimal.Normal(v.String())
	case big.Int:
		return decimal.Normal(v.String())
	case float32, float64:
		return decimal.Normal(fmt.Sprint(v)) // NaN and infinities have neither zeros nor an exponent
	default:
		return fmt.Sprint(v)
	}
}
