package serializer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// content is what stands in a payload, apart from how: every value by its path, as in ".lines[0].sku".
type content map[string]string

// content returns what stands in a payload of a type.
func (e *entry) content(reg *Registry, enc Encoded) (content, error) {
	v, err := e.tree(reg, enc)
	return contentOf(v), err
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

func contentOf(v any) content {
	c := content{}
	c.add("", v)
	return c
}

// add adds a value and what is in it.
func (c content) add(path string, v any) {
	within := parts(v)
	if len(within) == 0 {
		c[path] = leafText(v)
	}
	for step, part := range within {
		c.add(path+step, part)
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
			fmt.Fprintf(&b, "    - %s: %s\n", shown(path), was)
		}
		if has && was != is {
			fmt.Fprintf(&b, "    + %s: %s\n", shown(path), is)
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
