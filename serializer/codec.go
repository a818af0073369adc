package serializer

import (
	"errors"
	"fmt"
)

// Codec turns Go values into bytes and back. [JSON] is the one that is used where none is named.
//
// A codec is called by many goroutines at once. A panic in a codec, or in a method of the value that it calls, is
// caught by the registry and becomes an error.
type Codec interface {
	// ContentType names the format, as in "application/json". It is stored with every event and chooses the codec that
	// reads it, for as long as the event exists: codecs with the same content type must be able to read what the other
	// wrote. It is always the same, non-empty UTF-8 without NUL, at most 255 bytes.
	ContentType() string
	// Marshal returns what v points to in this format. For a registered type T the registry gives it a *T, or, where T
	// is itself a pointer, the T. The bytes are the caller's.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads data into what v points to, which is the zero value of the type that Marshal was given a pointer
	// to. It fails on bytes that are not of this format, ignores fields that v does not have, and neither keeps nor
	// changes data.
	Unmarshal(data []byte, v any) error
}

// format is a codec with its content type, which is asked for once.
type format struct {
	codec       Codec
	contentType string
}

// formatOf checks a codec that the user gave.
func formatOf(c Codec) (f format, err error) {
	if c == nil {
		return format{}, errors.New("the codec is nil")
	}
	defer catch(&err)
	f = format{codec: c, contentType: c.ContentType()}
	if err := checkName(f.contentType); err != nil {
		return format{}, fmt.Errorf("content type %q of codec %T %w", f.contentType, c, err)
	}
	return f, nil
}

// catch turns a panic of the user's code into an error.
func catch(err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("panic: %w", p)
	default:
		*err = fmt.Errorf("panic: %v", p)
	}
}
