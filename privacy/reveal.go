package privacy

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore"
)

// opening is a payload in which something is sealed.
type opening struct {
	payload     *eventstore.Payload
	contentType string   // that it had before it was sealed
	data        []byte   // what places are in
	places      []place  // in data
	sealed      []sealed // one for each place; the zero value for a text of the user's that begins with the marker
	isJSON      bool     // of data
}

// Reveal implements eventstore.Protector. It asks for all the keys that a page needs at once. A value whose subject is
// forgotten becomes its fallback. One that was changed or moved is ErrDamaged; a key that can't be had, ErrMasterKey and
// ErrNoKey among the reasons, fails the whole page.
func (v *Vault) Reveal(ctx context.Context, payloads []eventstore.Payload) error {
	var todo []*opening
	subjects := map[string]bool{}
	for i := range payloads {
		o, err := v.look(&payloads[i])
		if err != nil {
			payloads[i].Err = revealError(err)
			continue
		}
		if o != nil {
			todo = append(todo, o)
			for _, s := range o.sealed {
				if s.subject != "" {
					subjects[s.subject] = true
				}
			}
		}
	}
	if len(todo) == 0 {
		return nil
	}
	rings, err := v.rings(ctx, subjects)
	if err != nil {
		return err
	}
	if err := v.complete(ctx, todo, rings); err != nil {
		return err
	}
	for _, o := range todo {
		if err := o.open(rings); err != nil {
			o.payload.Err = revealError(err)
		}
	}
	return nil
}

func revealError(err error) error { return fmt.Errorf("privacy: reveal: %w", err) }

// look returns what is sealed in a payload, nil if nothing is.
func (v *Vault) look(p *eventstore.Payload) (*opening, error) {
	contentType, marked := strings.CutSuffix(p.ContentType, suffix)
	switch {
	case marked && bytes.HasPrefix(p.Data, []byte(marker)):
		o := &opening{payload: p, contentType: contentType, data: p.Data, places: []place{{end: len(p.Data)}}}
		return o, o.parse()
	case marked:
		inside, _, err := v.jsonOf(contentType, p.Data)
		if err != nil {
			return nil, err
		}
		return lookInto(p, contentType, inside)
	case isJSON(p.ContentType) && bytes.Contains(p.Data, []byte(`"`+marker)):
		return lookInto(p, contentType, p.Data)
	default:
		return nil, nil
	}
}

func lookInto(p *eventstore.Payload, contentType string, text []byte) (*opening, error) {
	places, err := scan(text, nil, "")
	if err != nil {
		return nil, err
	}
	o := &opening{payload: p, contentType: contentType, data: text, places: places, isJSON: true}
	return o, o.parse()
}

// parse takes the sealed values apart.
func (o *opening) parse() error {
	o.sealed = make([]sealed, len(o.places))
	for i, p := range o.places {
		text := string(o.data[p.start:p.end])
		if o.isJSON {
			text = text[1 : len(text)-1]
			if strings.HasPrefix(text, plainMarker) {
				continue
			}
		}
		var err error
		if o.sealed[i], err = parse(text); err != nil {
			return fmt.Errorf("%s: %w", pathText(p.path), err)
		}
	}
	return nil
}

// complete sees to it that there is a key for every sealed value, or that its subject is forgotten. Another process may
// have rotated a key whose ring stands in the cache.
func (v *Vault) complete(ctx context.Context, todo []*opening, rings map[string]*ring) error {
	stale := map[string]bool{}
	for _, o := range todo {
		for i := range o.sealed {
			if s := &o.sealed[i]; s.subject != "" && rings[s.subject].lacks(s) {
				stale[s.subject] = true
			}
		}
	}
	if len(stale) == 0 {
		return nil
	}
	for subject := range stale {
		v.cache.drop(subject)
	}
	fresh, err := v.rings(ctx, stale)
	if err != nil {
		return err
	}
	for subject, r := range fresh {
		rings[subject] = r
	}
	for _, o := range todo {
		for i := range o.sealed {
			if s := &o.sealed[i]; s.subject != "" && rings[s.subject].lacks(s) {
				return noKey(o.payload, s)
			}
		}
	}
	return nil
}

// lacks reports whether a value can be neither opened nor taken as forgotten.
func (r *ring) lacks(s *sealed) bool {
	return r == nil || !r.forgotten && s.generation > len(r.aeads)
}

func noKey(p *eventstore.Payload, s *sealed) error {
	return fmt.Errorf("%w: %s v%d in stream %q was sealed by key %d of subject %q, which the key store does not have, and "+
		"which was not forgotten either: open the right key store or restore its backup; if the key is lost for good, "+
		"Forget the subject", ErrNoKey, p.Type, p.Schema, p.Stream, s.generation, s.subject)
}

// open changes the payload.
func (o *opening) open(rings map[string]*ring) error {
	at := bindingOf(o.payload, o.contentType)
	texts, redacted := make([][]byte, len(o.places)), false
	for i, p := range o.places {
		s := &o.sealed[i]
		if s.subject == "" {
			texts[i] = append([]byte{'"'}, o.data[p.start+1+len(plainMarker):p.end]...)
			continue
		}
		r := rings[s.subject]
		if r.forgotten {
			texts[i], redacted = s.fallback, true
			continue
		}
		var err error
		if texts[i], err = r.open(s, at, p.path); err != nil {
			return err
		}
	}
	o.payload.Data, o.payload.Redacted = replaced(o.data, o.places, texts), redacted
	if o.payload.ContentType = o.contentType; o.isJSON && !isJSON(o.contentType) {
		o.payload.ContentType = "application/json"
	}
	return nil
}
