package privacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

const tagName = "privacy"

// tag is what a field's privacy tag says.
type tag struct {
	subject, personal bool
	fallback          *string // as it is written in the tag; nil if it isn't
}

func parseTag(f reflect.StructField) (tag, error) {
	text, ok := f.Tag.Lookup(tagName)
	if !ok {
		return tag{}, nil
	}
	what, option, _ := strings.Cut(text, ",")
	fallback, declared := strings.CutPrefix(option, "fallback=")
	switch {
	case what == "subject" && option == "":
		return tag{subject: true}, nil
	case what == "personal" && declared:
		return tag{personal: true, fallback: &fallback}, nil
	case what == "personal" && option == "":
		return tag{personal: true}, nil
	default:
		return tag{}, fmt.Errorf("the tag %s:%q makes no sense; there are subject, personal, and personal,fallback=VALUE",
			tagName, text)
	}
}

func (t tag) checkUnwritten() error {
	if t.personal || t.subject {
		return errors.New("it has a privacy tag and is not written: it is unexported, or its json tag leaves it out")
	}
	return nil
}

// fallbackOf returns what the zero value of a field is written as, nil if it can't be, and the JSON that is read in place
// of the field once its subject is forgotten: what the tag declares, or else the zero value. It is checked that the field
// can hold it.
func fallbackOf(f reflect.StructField, t tag) (zero, fallback []byte, err error) {
	zero, err = zeroOf(f)
	fallback = zero
	if t.fallback != nil {
		fallback, err = declaredFallback(f, *t.fallback)
	}
	if err != nil {
		return nil, nil, err
	}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "F", Type: f.Type, Tag: holderTag(f)}}))
	if err := json.Unmarshal(fmt.Appendf(nil, `{"F":%s}`, fallback), holder.Interface()); err != nil {
		return nil, nil, fmt.Errorf("its fallback %s does not fit: %w", fallback, err)
	}
	return zero, fallback, nil
}

// zeroOf returns the zero value as it is written.
func zeroOf(f reflect.StructField) (zero []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its zero value can't be written as JSON, so declare another with fallback=VALUE: panic: %v", p)
		}
	}()
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "F", Type: f.Type, Tag: holderTag(f)}}))
	b, err := quoteless(holder.Interface())
	if err != nil {
		return nil, fmt.Errorf("its zero value can't be written as JSON, so declare another with fallback=VALUE: %w", err)
	}
	return bytes.TrimSuffix(bytes.TrimPrefix(b, []byte(`{"F":`)), []byte("}")), nil
}

// holderTag keeps the one option of a json tag that changes how a value is written.
func holderTag(f reflect.StructField) reflect.StructTag {
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		if option == "string" {
			return `json:"F,string"`
		}
	}
	return `json:"F"`
}

// declaredFallback takes the text of a tag as it is for a field that holds text, and as JSON otherwise.
func declaredFallback(f reflect.StructField, text string) ([]byte, error) {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.String && json.Valid([]byte(text)) {
		return bytes.TrimSpace([]byte(text)), nil
	}
	return quoteless(text)
}

// quoteless is json.Marshal without escapes for HTML.
func quoteless(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}
