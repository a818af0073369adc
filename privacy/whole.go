package privacy

import (
	"fmt"
	"reflect"

	"github.com/tidemark-go/tidemark/eventstore"
)

// examineWhole asks the value whose it is, and what is left of it.
func (v *Vault) examineWhole(s *sealing) (err error) {
	defer catch(&err)
	personal := methodsOf[Personal](s.payload.Value)
	s.subject = personal.PrivacySubject()
	s.fallback, err = v.encodeLike(s.payload, personal.Redacted())
	return err
}

// encodeLike encodes what Redacted returned as the payload is encoded: it may be smaller, and so written by another codec
// than the payload was.
func (v *Vault) encodeLike(p *eventstore.Payload, redacted any) ([]byte, error) {
	if want, got := reflect.TypeOf(p.Value), reflect.TypeOf(redacted); got != want {
		return nil, fmt.Errorf("the method Redacted returned a %v: return a %v", got, want)
	}
	enc, err := v.reg.Encode(redacted)
	if err != nil || enc.ContentType == p.ContentType {
		return enc.Data, err
	}
	codec, ok := v.reg.Codec(p.ContentType)
	if !ok {
		return nil, fmt.Errorf("no codec for content type %q; add it to serializer.Options.Codecs", p.ContentType)
	}
	return codec.Marshal(pointerTo(redacted))
}

// pointerTo returns what a codec is given for a value.
func pointerTo(value any) any {
	if reflect.TypeOf(value).Kind() == reflect.Pointer {
		return value
	}
	pointer := reflect.New(reflect.TypeOf(value))
	pointer.Elem().Set(reflect.ValueOf(value))
	return pointer.Interface()
}

func subjectBy(value any) (subject string, err error) {
	defer catch(&err)
	return methodsOf[Subject](value).PrivacySubject(), nil
}

// catch turns a panic of the user's methods into an error.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

// sealWhole changes a payload of which all is personal.
func (s *sealing) sealWhole(rings map[string]*ring) error {
	p := s.payload
	text, err := sealValue(rings[s.subject], s.subject, p.Data, s.fallback, bindingOf(p, p.ContentType), "")
	switch {
	case err != nil:
		return err
	case text == "" && isJSON(p.ContentType):
		s.json = p.Data
		if s.places, err = scan(p.Data, nil, ""); err == nil {
			err = s.seal(rings) // which leaves marks on texts that look sealed
		}
		return err
	case text == "":
	case isJSON(p.ContentType):
		p.Data = []byte(`"` + text + `"`)
	default:
		p.Data, p.ContentType = []byte(text), p.ContentType+suffix
	}
	return nil
}
