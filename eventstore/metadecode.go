package eventstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// metadataDecoder reads the metadata of one event after the other. The events of one append mostly have the same, and
// then share the memory of its text; the maps are each event's own.
type metadataDecoder struct{ latest string }

// decode returns what json.Unmarshal would. It is called for every event that is read, and nearly always finds a flat
// object of strings without escapes, as most metadata is stored: that it reads by itself, in an eighth of the time.
func (d *metadataDecoder) decode(stored []byte) (Metadata, error) {
	if len(stored) == 0 {
		return nil, nil
	}
	if d.latest != string(stored) {
		d.latest = string(stored)
	}
	if md, ok := parseMetadata(d.latest); ok {
		return md, nil
	}
	var md Metadata
	if err := json.Unmarshal(stored, &md); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return md, nil
}

// parseMetadata returns false for whatever is not quite plain, valid or not: it makes no attempt at all of JSON. Keys and
// values are parts of s.
func parseMetadata(s string) (Metadata, bool) {
	s, ok := skip(s, '{')
	if !ok {
		return nil, false
	}
	md := make(Metadata)
	if rest, empty := skip(s, '}'); empty {
		return md, rest == ""
	}
	for {
		key, rest, ok := plainString(s)
		if !ok {
			return nil, false
		}
		if rest, ok = skip(rest, ':'); !ok {
			return nil, false
		}
		if md[key], rest, ok = plainString(rest); !ok {
			return nil, false
		}
		if s, ok = skip(rest, ','); !ok {
			rest, ok = skip(rest, '}')
			return md, ok && rest == ""
		}
	}
}

// skip takes a mark and the white space around it off the front of s.
func skip(s string, mark byte) (rest string, ok bool) {
	s = trimSpace(s)
	if s == "" || s[0] != mark {
		return s, false
	}
	return trimSpace(s[1:]), true
}

func trimSpace(s string) string {
	if s != "" && s[0] > ' ' {
		return s
	}
	return strings.TrimLeft(s, " \t\r\n")
}

// plainString takes a string without escapes off the front of s.
func plainString(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	s = s[1:]
	ascii := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			text, rest = s[:i], s[i+1:]
			return text, rest, ascii < utf8.RuneSelf || utf8.ValidString(text)
		case c == '\\' || c < ' ':
			return "", "", false
		default:
			ascii |= c
		}
	}
	return "", "", false
}
