package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

// suffix marks the content type of a sealed payload whose bytes are no JSON that could be looked into.
const suffix = "+sealed"

// isJSON reports whether a payload of this content type is JSON text.
func isJSON(contentType string) bool {
	base, _, _ := strings.Cut(contentType, ";")
	return base == "application/json" || strings.HasSuffix(base, "+json")
}

// sealing is what is to be done with one payload.
type sealing struct {
	payload *eventstore.Payload
	json    []byte           // what places are in; nil if the payload is sealed as a whole
	places  []place          // in json
	codec   serializer.Codec // turns json into what is stored; nil if it is that already

	// Of a payload that is sealed as a whole.
	subject  string
	fallback []byte
}

// Protect implements eventstore.Protector. Personal values are sealed with their subject's key, which is made if it is the
// first time. It is ErrForgotten if the subject is forgotten, unless the values are the declared fallbacks anyway: so
// what was read redacted can be written again.
func (v *Vault) Protect(ctx context.Context, payloads []eventstore.Payload) error {
	var todo []*sealing
	subjects := map[string]bool{}
	for i := range payloads {
		s, err := v.examine(&payloads[i])
		if err != nil {
			return protectError(&payloads[i], err)
		}
		if s != nil {
			todo = append(todo, s)
			s.addSubjects(subjects)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	rings, err := v.withNew(ctx, subjects)
	if err != nil {
		return err
	}
	for _, s := range todo {
		if err := s.seal(rings); err != nil {
			return protectError(s.payload, err)
		}
	}
	return nil
}

func protectError(p *eventstore.Payload, err error) error {
	return fmt.Errorf("privacy: protect %s v%d: %w", p.Type, p.Schema, err)
}

// examine returns what is to be done, nil if nothing.
func (v *Vault) examine(p *eventstore.Payload) (*sealing, error) {
	shape, err := v.shapeOf(reflect.TypeOf(p.Value))
	if err != nil {
		return nil, err
	}
	inJSON := isJSON(p.ContentType)
	if !shape.whole && shape.plan == nil && !(inJSON && bytes.Contains(p.Data, []byte(`"`+marker))) {
		return nil, nil
	}
	s := &sealing{payload: p, json: p.Data}
	switch {
	case shape.personal() && p.Downcast != nil:
		return s, v.examineDowncast(s, shape)
	case shape.whole:
		s.json = nil
		return s, v.examineWhole(s)
	case !inJSON:
		if s.json, s.codec, err = v.jsonOf(p.ContentType, p.Data); err != nil {
			return nil, err
		}
	}
	s.places, err = shape.scan(s.json, p.Value)
	return s, err
}

// jsonOf returns the JSON inside a payload of another content type, as that of a codec that compresses JSON.
func (v *Vault) jsonOf(contentType string, data []byte) ([]byte, serializer.Codec, error) {
	codec, ok := v.reg.Codec(contentType)
	var inside json.RawMessage
	if !ok || unmarshal(codec, data, &inside) != nil || !json.Valid(inside) {
		return nil, nil, fmt.Errorf("its fields can't be sealed one by one, because %s is not JSON: have the type written by a "+
			"JSON codec, or give it the methods of Personal to seal all of it", contentType)
	}
	return inside, codec, nil
}

func unmarshal(c serializer.Codec, data []byte, into any) (err error) {
	defer catch(&err)
	return c.Unmarshal(data, into)
}

// addSubjects adds those whose keys are needed.
func (s *sealing) addSubjects(subjects map[string]bool) {
	if s.json == nil && checkSubject(s.subject) == nil {
		subjects[s.subject] = true
	}
	for _, p := range s.places {
		if p.personal != nil && checkSubject(p.subject) == nil {
			subjects[p.subject] = true
		}
	}
}

// seal changes the payload.
func (s *sealing) seal(rings map[string]*ring) error {
	if s.json == nil {
		return s.sealWhole(rings)
	}
	at := bindingOf(s.payload, s.payload.ContentType)
	texts := make([][]byte, len(s.places))
	for i, p := range s.places {
		was := s.json[p.start:p.end]
		if p.personal == nil {
			texts[i] = append([]byte(`"`+plainMarker), was[1:]...)
			continue
		}
		if p.subject == "" && same(was, p.personal.zero) {
			texts[i] = was // nobody, and nothing said of them
			continue
		}
		text, err := sealValue(rings[p.subject], p.subject, was, p.personal.fallback, at, p.path)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", pathText(p.path), err)
		case text == "":
			texts[i] = was
		default:
			texts[i] = []byte(`"` + text + `"`)
		}
	}
	return s.store(replaced(s.json, s.places, texts))
}

// sealValue returns the sealed value, or nothing if what is there may stay. r is nil if the subject is not a valid one.
func sealValue(r *ring, subject string, plain, fallback []byte, at binding, path string) (string, error) {
	switch {
	case r != nil && !r.forgotten:
		return r.seal(plain, at, path, fallback), nil
	case same(plain, fallback):
		return "", nil
	case r == nil:
		return "", fmt.Errorf("it is personal, and %w", checkSubject(subject))
	default:
		return "", fmt.Errorf("%w: %q", ErrForgotten, subject)
	}
}

// store puts sealed JSON into the payload.
func (s *sealing) store(sealed []byte) error {
	if s.codec == nil {
		s.payload.Data = sealed
		return nil
	}
	data, err := marshal(s.codec, json.RawMessage(sealed))
	if err != nil {
		return err
	}
	s.payload.Data, s.payload.ContentType = data, s.payload.ContentType+suffix
	return nil
}

func marshal(c serializer.Codec, text json.RawMessage) (data []byte, err error) {
	defer catch(&err)
	return c.Marshal(&text)
}
