package sqlite

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// payload returns an event's or a snapshot's data as it is stored: JSON as text, so that SQL can look into it, anything
// else as a blob. Text that is not valid UTF-8 is left a blob: only that keeps every byte whatever the database's
// encoding is.
func payload(contentType string, data []byte) any {
	switch {
	case contentType == "application/json" && utf8.Valid(data):
		return string(data)
	case data == nil:
		return []byte{} // nil would be NULL
	default:
		return data
	}
}

func encodeTags(tags []string) (any, error) {
	if tags == nil {
		return nil, nil
	}
	for _, tag := range tags {
		if !utf8.ValidString(tag) {
			return nil, fmt.Errorf("tag %q is not valid UTF-8", tag)
		}
	}
	text, err := json.Marshal(tags)
	return string(text), err
}

// jsonArray turns texts into a parameter for json_each: a statement with any number of them stays the same statement.
func jsonArray(texts []string) (string, error) {
	text, err := json.Marshal(texts)
	return string(text), err
}
