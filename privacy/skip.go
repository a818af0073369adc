package privacy

import (
	"bytes"
	"encoding/json"
	"strings"
)

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
