package eventstore

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// StreamID names a stream: Type is the kind of aggregate, ID one aggregate. Both are non-empty UTF-8 without NUL of at
// most 255 bytes, compared byte by byte; Type has no hyphen, so that String can be taken apart again.
type StreamID = driver.StreamID

// maxName is the longest stream type, stream id, event name or tag, in bytes.
const maxName = 255

// ParseStreamID takes a String of a StreamID apart at its first hyphen: "order-42" is {Type: "order", ID: "42"}.
func ParseStreamID(s string) (StreamID, error) {
	typ, id, ok := strings.Cut(s, "-")
	if !ok {
		return StreamID{}, fmt.Errorf("eventstore: stream id %q has no hyphen between type and id", s)
	}
	stream := StreamID{Type: typ, ID: id}
	return stream, checkStream(stream)
}

func checkStream(s StreamID) error {
	if strings.Contains(s.Type, "-") {
		return fmt.Errorf("eventstore: stream type %q contains a hyphen, which separates type and id", s.Type)
	}
	if err := checkName(s.Type); err != nil {
		return fmt.Errorf("eventstore: stream type %.80q %w", s.Type, err)
	}
	if err := checkName(s.ID); err != nil {
		return fmt.Errorf("eventstore: stream id %.80q of type %q %w", s.ID, s.Type, err)
	}
	return nil
}

// checkName holds the rules that all stored names share: every database can keep, compare and index them.
func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > maxName:
		return fmt.Errorf("is %d bytes long; %d are allowed", len(s), maxName)
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	case strings.ContainsRune(s, 0):
		return errors.New("contains a NUL character")
	default:
		return nil
	}
}

// ExpectedVersion says which version a stream must have for an append to succeed. Versions are 1-based and contiguous.
type ExpectedVersion = driver.ExpectedVersion

const (
	// NoStream expects a stream that has no events yet.
	NoStream = driver.NoStream
	// Any expects nothing.
	Any = driver.Any
	// StreamExists expects a stream with at least one event.
	StreamExists = driver.StreamExists
)

// Exactly expects a stream at this version; 0 is NoStream. An append that expects a negative version is refused.
func Exactly(version int64) ExpectedVersion {
	if version < 0 {
		return math.MinInt64
	}
	return ExpectedVersion(version)
}
