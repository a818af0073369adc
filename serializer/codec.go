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
	// ContentType names the format, as in "application/json". Every event keeps the name of the format it was written
	// in and is read by the codec that answers to it, for as long as the event exists: a codec must therefore be able
	// to read whatever any earlier codec with the same content type wrote. The name is non-empty UTF-8 without NUL, at
	// most 255 bytes, and is always the same.
	ContentType() string
	// Marshal returns v in this format. v is a value of a registered type T. The bytes are the caller's.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads data into v: for a registered type T a *T, or, where T is itself a pointer *E, a new *E. It fails on bytes that
	// are not this format, ignores fields that v does not have, and neither keeps nor changes data.
	Unmarshal(data []byte, v any) error
}

// format is a codec with its content type, which is asked for once.
type format struct {
	Codec
	contentType string
}

// formatOf checks a codec that the user gave.
func formatOf(c Codec) (f format, err error) {
	if c == nil {
		return format{}, errors.New("the codec is nil")
	}
	defer catch(&err)
	f = format{c, c.ContentType()}
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
