package privacy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
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
