package privacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// place is a part of a JSON payload that is to be replaced: a personal value, or a text that begins with the marker.
type place struct {
	start, end int
	path       string
	personal   *member // nil for a marked text
	subject    string
}

// scanner goes through a JSON payload and finds the places. It reads just enough of JSON to know where values begin and
// end; whether the rest is well-formed is for the codec to say. No bytes make it panic.
type scanner struct {
	data   []byte
	pos    int
	depth  int
	path   []byte
	places []place
}

// maxDepth is that of encoding/json. It keeps damaged bytes from using up the stack.
const maxDepth = 10_000

// scan finds the marked texts in a payload and, guided by a plan, the personal values. subject is whose they are unless
// the plan knows better.
func scan(data []byte, p *plan, subject string) ([]place, error) {
	s := scanner{data: data}
	if err := s.value(p, subject); err != nil {
		return nil, err
	}
	if s.space(); s.pos != len(data) {
		return nil, s.malformed()
	}
	return s.places, nil
}

func (s *scanner) malformed() error {
	return fmt.Errorf("the payload is not JSON at byte %d, %s", s.pos, pathText(string(s.path)))
}

func (s *scanner) value(p *plan, subject string) error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("the payload is nested more than %d levels deep", maxDepth)
	}
	defer func() { s.depth-- }()
	switch s.space(); {
	case s.at('{') && (p == nil || p.kind != aList):
		return s.object(p, subject)
	case s.at('[') && (p == nil || p.kind == aList):
		return s.list(p, subject)
	case s.at('"') && p == nil:
		return s.text()
	case p == nil || bytes.HasPrefix(s.data[s.pos:], []byte("null")):
		return s.skip()
	default:
		return fmt.Errorf("%s is not written as %v: its personal fields can't be found", pathText(string(s.path)), p)
	}
}

func (s *scanner) object(p *plan, subject string) error {
	if p != nil && p.subject != "" {
		var err error
		if subject, err = s.subjectIn(p.subject); err != nil {
			return err
		}
	}
	return s.members(func(raw, name string) error {
		m, err := p.member(name)
		if err != nil {
			return fmt.Errorf("%s: %w", pathText(string(s.path)), err)
		}
		depth := len(s.path)
		s.path = append(append(s.path, pathMember...), raw...)
		defer func() { s.path = s.path[:depth] }()
		if m != nil && m.personal {
			return s.found(m, subject)
		}
		return s.value(m.plan(), subject)
	})
}

// found notes the value that comes next.
func (s *scanner) found(m *member, subject string) error {
	s.space()
	start := s.pos
	err := s.skip()
	s.places = append(s.places, place{start: start, end: s.pos, path: string(s.path), personal: m, subject: subject})
	return err
}

// members calls f for each member of the object that begins here, when its value is next. f reads the value.
func (s *scanner) members(f func(raw, name string) error) error {
	s.pos++
	for s.space(); !s.at('}'); s.space() {
		raw, err := s.key()
		if err != nil {
			return err
		}
		name, err := unquote(raw)
		if err != nil {
			return s.malformed()
		}
		if err := f(string(raw[1:len(raw)-1]), name); err != nil {
			return err
		}
		if err := s.next('}'); err != nil {
			return err
		}
	}
	s.pos++
	return nil
}

// key reads a member's name, and the colon.
func (s *scanner) key() ([]byte, error) {
	if !s.at('"') {
		return nil, s.malformed()
	}
	start := s.pos
	if err := s.skip(); err != nil {
		return nil, err
	}
	raw := s.data[start:s.pos]
	if s.space(); !s.at(':') {
		return nil, s.malformed()
	}
	s.pos++
	return raw, nil
}

// next goes on to the next value, or to the end of the object or list.
func (s *scanner) next(end byte) error {
	switch s.space(); {
	case s.at(','):
		s.pos++
		return nil
	case s.at(end):
		return nil
	default:
		return s.malformed()
	}
}

func (s *scanner) list(p *plan, subject string) error {
	s.pos++
	depth := len(s.path)
	for i := 0; ; i++ {
		if s.space(); s.at(']') {
			s.pos++
			return nil
		}
		s.path = strconv.AppendInt(append(s.path, pathElement...), int64(i), 10)
		if err := s.value(p.each(), subject); err != nil {
			return err
		}
		s.path = s.path[:depth]
		if err := s.next(']'); err != nil {
			return err
		}
	}
}

// text looks at a string, and notes it if it begins with the marker. Nobody writes a letter of it as an escape: what
// sealed it did not, and where the user's text does, it is not taken for sealed.
func (s *scanner) text() error {
	start := s.pos
	if err := s.skip(); err != nil {
		return err
	}
	if bytes.HasPrefix(s.data[start+1:s.pos], []byte(marker)) {
		s.places = append(s.places, place{start: start, end: s.pos, path: string(s.path)})
	}
	return nil
}

// subjectIn looks for the member that names the subject of the object that begins here, and stays where it is.
func (s *scanner) subjectIn(name string) (subject string, err error) {
	ahead := scanner{data: s.data, pos: s.pos, path: s.path}
	err = ahead.members(func(_, member string) error {
		ahead.space()
		start := ahead.pos
		if err := ahead.skip(); err != nil || member != name {
			return err
		}
		subject, err = subjectOf(ahead.data[start:ahead.pos])
		return err
	})
	return subject, err
}

// subjectOf returns the subject that a member names: a text, or a number as it is written. null names none.
func subjectOf(raw []byte) (string, error) {
	switch {
	case raw[0] == '"':
		return unquote(raw)
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return string(raw), nil
	case string(raw) == "null":
		return "", nil
	default:
		return "", errors.New("the field that is tagged as the subject is neither a text nor a number")
	}
}

// skip goes to the end of the value that begins here.
func (s *scanner) skip() error {
	switch {
	case s.at('"'):
		return s.skipText()
	case s.at('{'), s.at('['):
		return s.skipNested()
	}
	start := s.pos
	for s.pos < len(s.data) && !strings.ContainsRune(",]}:\" \t\r\n", rune(s.data[s.pos])) {
		s.pos++
	}
	if s.pos == start {
		return s.malformed()
	}
	return nil
}

func (s *scanner) skipText() error {
	for i := s.pos + 1; ; i++ {
		quote := bytes.IndexByte(s.data[i:], '"')
		if quote < 0 {
			return s.malformed()
		}
		i += quote
		escapes := 0
		for s.data[i-1-escapes] == '\\' { // ends at the opening quote at the latest
			escapes++
		}
		if escapes%2 == 0 {
			s.pos = i + 1
			return nil
		}
	}
}

func (s *scanner) skipNested() error {
	for open := 0; s.pos < len(s.data); {
		switch s.data[s.pos] {
		case '"':
			if err := s.skipText(); err != nil {
				return err
			}
			continue
		case '{', '[':
			open++
		case '}', ']':
			open--
		}
		if s.pos++; open == 0 {
			return nil
		}
	}
	return s.malformed()
}

func (s *scanner) space() {
	for s.pos < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.pos]) >= 0 {
		s.pos++
	}
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// A path is what tells the places of a payload apart. Each step begins with a byte that no JSON text has in it.
const (
	pathMember  = "\x00."
	pathElement = "\x00["
)

// pathText is a path as it stands in errors.
func pathText(path string) string {
	if path == "" {
		return "the payload"
	}
	steps := strings.Split(path[1:], "\x00")
	for i, step := range steps {
		if strings.HasPrefix(step, "[") {
			steps[i] = step + "]"
		}
	}
	return strings.TrimPrefix(strings.Join(steps, ""), ".")
}

// replaced returns data with other texts at its places.
func replaced(data []byte, places []place, texts [][]byte) []byte {
	size := len(data)
	for _, t := range texts {
		size += len(t)
	}
	out, from := make([]byte, 0, size), 0
	for i, p := range places {
		out = append(append(out, data[from:p.start]...), texts[i]...)
		from = p.end
	}
	return append(out, data[from:]...)
}
