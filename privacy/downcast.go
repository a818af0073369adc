package privacy

import (
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/serializer"
)

// examineDowncast prepares a payload that is stored as an earlier schema version. Where that has what is personal only the
// steps know that lead there. So all of it is sealed, and its fallback is what the steps make of a value in which
// everything personal is replaced: whatever they did with it is not in there.
func (v *Vault) examineDowncast(s *sealing, shape shape) error {
	p := s.payload
	enc, err := v.reg.Encode(p.Value)
	if err != nil {
		return err
	}
	redacted, err := v.redact(s, shape, enc)
	if err != nil || s.json != nil {
		return err
	}
	enc.Data = redacted
	stored, err := p.Downcast(enc)
	if err != nil {
		return fmt.Errorf("downcast its fallback: %w", err)
	}
	if stored.Type != p.Type || stored.Schema != p.Schema || stored.ContentType != p.ContentType {
		return fmt.Errorf("it is downcast to %s v%d in %s, and its fallback to %s v%d in %s: a step must not choose by what is "+
			"personal", p.Type, p.Schema, p.ContentType, stored.Type, stored.Schema, stored.ContentType)
	}
	s.fallback = stored.Data
	return nil
}

// redact returns a value's encoding without what is personal, and notes the subject. If nothing is, it leaves the payload
// to be looked through for texts that look sealed.
func (v *Vault) redact(s *sealing, shape shape, enc serializer.Encoded) ([]byte, error) {
	if shape.whole {
		s.json = nil
		whole := *s.payload
		whole.Encoded = enc
		other := sealing{payload: &whole}
		err := v.examineWhole(&other)
		s.subject = other.subject
		return other.fallback, err
	}
	text, codec := enc.Data, serializer.Codec(nil)
	if !isJSON(enc.ContentType) {
		var err error
		if text, codec, err = v.jsonOf(enc.ContentType, enc.Data); err != nil {
			return nil, err
		}
	}
	places, err := shape.scan(text, s.payload.Value)
	if err != nil {
		return nil, err
	}
	texts, err := s.redactPlaces(text, places)
	switch {
	case err != nil || s.json != nil:
		return nil, err
	case codec != nil:
		return marshal(codec, replaced(text, places, texts))
	default:
		return replaced(text, places, texts), nil
	}
}

// redactPlaces returns what stands in the places of what is personal.
func (s *sealing) redactPlaces(text []byte, places []place) (texts [][]byte, err error) {
	texts, personal := make([][]byte, len(places)), false
	for i, p := range places {
		was := text[p.start:p.end]
		if p.personal == nil || p.subject == "" && same(was, p.personal.zero) {
			texts[i] = was
			continue
		}
		if personal && p.subject != s.subject {
			return nil, errors.New("it is about several people, and can't be sealed as a whole while it is downcast")
		}
		texts[i], personal, s.subject = p.personal.fallback, true, p.subject
	}
	if personal {
		s.json = nil
	} else if isJSON(s.payload.ContentType) {
		s.places, err = scan(s.json, nil, "")
	}
	return texts, err
}
