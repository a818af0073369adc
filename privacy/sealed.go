package privacy

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A sealed value is a text that stands where the value stood:
//
//	tidemark-sealed:1:SUBJECT:GENERATION:FALLBACK:BOX
//
// SUBJECT, FALLBACK and BOX are in base64 without padding, of the alphabet that needs no escaping in JSON. GENERATION
// says which of the subject's keys opens the box. FALLBACK is what is read once the subject is forgotten; it stands here
// because by then the Go type that declared it may be gone, and because it has to fit the schema version that the value
// was written in. BOX is nonce, ciphertext and tag.
//
// A text of the user's that happens to begin with the marker is stored with plainMarker before it.
const (
	marker      = "tidemark-sealed:"
	plainMarker = marker + "0:"
	sealMarker  = marker + "1:"
)

// sealed is a sealed value, taken apart.
type sealed struct {
	subject    string
	generation int // 1 or more
	fallback   []byte
	box        []byte
}

var encoding = base64.RawURLEncoding.Strict()

// String returns the text that is stored.
func (s sealed) String() string {
	var b strings.Builder
	b.WriteString(sealMarker)
	b.WriteString(encoding.EncodeToString([]byte(s.subject)))
	b.WriteByte(':')
	b.WriteString(strconv.Itoa(s.generation))
	b.WriteByte(':')
	b.WriteString(encoding.EncodeToString(s.fallback))
	b.WriteByte(':')
	b.WriteString(encoding.EncodeToString(s.box))
	return b.String()
}

// parse takes a text apart that begins with the marker. There is one text for each value: parse(s).String() is s.
func parse(text string) (sealed, error) {
	rest, ok := strings.CutPrefix(text, sealMarker)
	if !ok {
		return sealed{}, fmt.Errorf("%w: a sealed value of a format that this release does not know", ErrDamaged)
	}
	if n := strings.Count(rest, ":"); n != 3 {
		return sealed{}, fmt.Errorf("%w: a sealed value of %d parts instead of 4", ErrDamaged, n+1)
	}
	subjectPart, rest, _ := strings.Cut(rest, ":")
	generationPart, rest, _ := strings.Cut(rest, ":")
	fallbackPart, boxPart, _ := strings.Cut(rest, ":")
	subject, err1 := decode(subjectPart)
	generation, err2 := strconv.Atoi(generationPart)
	fallback, err3 := decode(fallbackPart)
	box, err4 := decode(boxPart)
	err := errors.Join(err1, err2, err3, err4)
	if err == nil && (generation < 1 || generationPart != strconv.Itoa(generation)) {
		err = fmt.Errorf("generation %q", generationPart)
	}
	if err == nil {
		err = checkSubject(string(subject))
	}
	if err != nil {
		return sealed{}, fmt.Errorf("%w: sealed value: %w", ErrDamaged, err)
	}
	return sealed{subject: string(subject), generation: generation, fallback: fallback, box: box}, nil
}

// decode refuses line breaks, which package base64 skips.
func decode(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("a line break in base64")
	}
	return encoding.DecodeString(part)
}

// binding is what a box is bound to: it opens at this place only.
type binding []byte

func (b binding) text(s string) binding {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (b binding) number(n int64) binding { return binary.BigEndian.AppendUint64(b, uint64(n)) }

// at returns the binding of one sealed value in a payload. b is the payload's.
func (b binding) at(path string, s *sealed) binding {
	full := append(make(binding, 0, len(b)+len(path)+len(s.subject)+len(s.fallback)+32), b...)
	return full.text(path).text(s.subject).number(int64(s.generation)).text(string(s.fallback))
}
