package eventstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"unicode/utf8"
)

// Metadata accompanies an event without being part of it: who, why, in which request. Keys and values are any UTF-8.
type Metadata map[string]string

// The keys that link events to the request and to the event that caused them.
const (
	KeyCorrelationID = "correlation_id"
	KeyCausationID   = "causation_id"
)

type metadataKey struct{}

// WithMetadata returns a context that stamps md on every event appended with it. Over an earlier WithMetadata it adds
// keys and replaces equal ones; an event's own Metadata wins over both. md is copied.
func WithMetadata(ctx context.Context, md Metadata) context.Context {
	return context.WithValue(ctx, metadataKey{}, metadataOf(ctx).over(md))
}

func metadataOf(ctx context.Context) Metadata {
	md, _ := ctx.Value(metadataKey{}).(Metadata)
	return md
}

// over returns m with upper laid over it, as a map of its own.
func (m Metadata) over(upper Metadata) Metadata {
	merged := make(Metadata, len(m)+len(upper))
	maps.Copy(merged, m)
	maps.Copy(merged, upper)
	return merged
}

// encode returns a JSON object with sorted keys, or nil for empty metadata. Bytes that are not UTF-8 would silently
// come back as others, so they are refused.
func (m Metadata) encode() ([]byte, error) {
	if len(m) == 0 {
		return nil, nil
	}
	for k, v := range m {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return nil, fmt.Errorf("metadata %q is not valid UTF-8", k)
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]string(m)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
