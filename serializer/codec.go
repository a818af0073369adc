package serializer

import "fmt"

// Codec turns Go values into bytes and back. [JSON] is the one that is used where none is named.
//
// A codec is called by many goroutines at once. A panic in a codec, or in a method of the value that it calls, is
// caught by the registry and becomes an error.
type Codec interface {
	// ContentType names the format, as in "application/json". It is stored with every event and chooses the codec that
	// reads it, for as long as the event exists: codecs with the same content type must be able to read what the other
	// wrote. It is always the same, non-empty UTF-8 without NUL, at most 255 bytes. What is "application/json" must be
	// JSON, because databases store and query it as such; they store everything else as bytes, "application/json+gzip"
	// too.
	ContentType() string
	// Marshal returns what v points to in this format. For a registered type T the registry gives it a *T, or, where T
	// is itself a pointer, the T. The bytes are the caller's.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads data into what v points to, which is the zero value of the type that Marshal was given a pointer
	// to. It fails on bytes that are not of this format, ignores fields that v does not have, and neither keeps nor
	// changes data.
	Unmarshal(data []byte, v any) error
}

// Chooser is an optional interface of a Codec that writes some payloads in another format than its own, as that of
// [Compressed] leaves small ones plain. The registry writes by MarshalChosen what it stores. Without it, all that a codec
// writes is of its content type.
type Chooser interface {
	Codec
	// MarshalChosen is Marshal in the format that suits v best. contentType is the codec's own, or that of one of Others.
	MarshalChosen(v any) (data []byte, contentType string, err error)
	// Others returns the codecs of the other formats, which read what was written in them. It is always the same.
	Others() []Codec
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
