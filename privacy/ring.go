package privacy

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ring is the keys of one subject, ready for use, or the fact that it is forgotten. It is never changed.
type ring struct {
	subject   string
	aeads     []cipher.AEAD // the key of generation n stands at n-1
	forgotten bool
}

func newRing(subject string, secrets []byte) *ring {
	r := &ring{subject: subject}
	for ; len(secrets) >= keySize; secrets = secrets[keySize:] {
		r.aeads = append(r.aeads, newAEAD(secrets[:keySize]))
	}
	return r
}

// seal returns the text that stands for a value at its place. It uses the newest key.
func (r *ring) seal(plain []byte, at binding, path string, fallback []byte) string {
	s := sealed{subject: r.subject, generation: len(r.aeads), fallback: fallback}
	s.box = r.aeads[len(r.aeads)-1].Seal(nil, nil, plain, at.at(path, &s))
	return s.String()
}

// open returns what was sealed. The ring has the generation.
func (r *ring) open(s *sealed, at binding, path string) ([]byte, error) {
	plain, err := r.aeads[s.generation-1].Open(nil, nil, s.box, at.at(path, s))
	if err != nil {
		return nil, fmt.Errorf("%w: the sealed value at %s was changed, or was not written there", ErrDamaged, pathText(path))
	}
	return plain, nil
}

// checkSubject holds the rules that all stored names share.
func checkSubject(s string) error {
	switch {
	case s == "":
		return errors.New("the subject is empty")
	case len(s) > 255:
		return fmt.Errorf("the subject has %d bytes; 255 are the most", len(s))
	case !utf8.ValidString(s):
		return errors.New("the subject is not valid UTF-8")
	case strings.ContainsRune(s, 0):
		return errors.New("the subject contains NUL")
	default:
		return nil
	}
}
