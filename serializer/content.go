package serializer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// content is what stands in a payload, apart from how: every value by its path, as in "lines[0].sku".
type content map[string]string

// content returns what stands in a payload of a type. If its codec can't read it without the type, that is what the type
// reads.
func (e *entry) content(reg *Registry, enc Encoded) (content, error) {
	codec, ok := reg.codecFor(e, enc.ContentType)
	if !ok {
		return nil, fmt.Errorf("no codec for content type %q", enc.ContentType)
	}
	if v, err := untyped(codec, enc); err == nil {
		return contentOf(v), nil
	}
	v, err := e.unmarshal(codec, enc.Data)
	if err != nil {
		return nil, err
	}
	data, err := jsonCodec{}.Marshal(v)
	if err != nil {
		return content{"payload": fmt.Sprintf("%+v", v)}, nil
	}
	asJSON, err := untyped(jsonCodec{}, Encoded{ContentType: contentTypeJSON, Data: data})
	return contentOf(asJSON), err
}

// rewrite returns what stands in a payload after its type has read it and written it in the same format.
func (e *entry) rewrite(reg *Registry, enc Encoded) (c content, err error) {
	defer catch(&err)
	codec, _ := reg.codecFor(e, enc.ContentType)
	v, err := e.unmarshal(codec, enc.Data)
	if err != nil {
		return nil, err
	}
	p, err := e.pointer(v)
	if err != nil {
		return nil, err
	}
	enc.Data, err = codec.Marshal(p)
	if err != nil {
		return nil, err
	}
	return e.content(reg, enc)
}

// untyped reads a payload without knowing its type. Numbers of JSON keep all their digits.
func untyped(c Codec, enc Encoded) (v any, err error) {
	defer catch(&err)
	if enc.ContentType != contentTypeJSON {
		err = c.Unmarshal(enc.Data, &v)
		return v, err
	}
	dec := json.NewDecoder(bytes.NewReader(enc.Data))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

func contentOf(v any) content {
	c := content{}
	c.add("", v)
	return c
}

// add adds a value and what is in it.
func (c content) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			c.leaf(path, "{}")
		}
		for key, value := range v {
			c.add(strings.TrimPrefix(path+"."+key, "."), value)
		}
	case map[any]any:
		named := make(map[string]any, len(v))
		for key, value := range v {
			named[fmt.Sprint(key)] = value
		}
		c.add(path, named)
	case []any:
		if len(v) == 0 {
			c.leaf(path, "[]")
		}
		for i, value := range v {
			c.add(fmt.Sprintf("%s[%d]", path, i), value)
		}
	default:
		c.leaf(path, leafText(v))
	}
}

func (c content) leaf(path, text string) {
	if path == "" {
		path = "payload"
	}
	c[path] = text
}

func leafText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case []byte:
		return "base64 " + base64.StdEncoding.EncodeToString(v)
	case json.Number:
		return decimal(v.String())
	case big.Int:
		return decimal(v.String())
	case float32, float64:
		return decimal(fmt.Sprint(v)) // NaN and infinities have neither zeros nor an exponent
	default:
		return fmt.Sprint(v)
	}
}

// diff returns a line for each value that other has not, or has otherwise, or has besides.
func (c content) diff(other content) string {
	paths := maps.Clone(c)
	maps.Copy(paths, other)
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		was, had := c[path]
		is, has := other[path]
		if had && was != is {
			fmt.Fprintf(&b, "    - %s: %s\n", path, was)
		}
		if has && was != is {
			fmt.Fprintf(&b, "    + %s: %s\n", path, is)
		}
	}
	return b.String()
}

// empty are the values of which nothing remains that is not there without them.
var empty = []string{"null", `""`, "0", "false", "[]", "{}"}

// lost returns a line for each value that other has not or has otherwise. What is empty may become empty in another way.
func (c content) lost(other content) string {
	kept := content{}
	for path, text := range c {
		is, has := other[path]
		if slices.Contains(empty, text) && (!has || slices.Contains(empty, is)) {
			continue
		}
		kept[path] = text
	}
	return kept.diff(kept.also(other))
}

// also returns what other has of the paths in c.
func (c content) also(other content) content {
	same := content{}
	for path := range c {
		if text, has := other[path]; has {
			same[path] = text
		}
	}
	return same
}
