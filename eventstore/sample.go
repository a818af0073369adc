package eventstore

import (
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// UpcastSample returns what serializer.CheckOptions.Upcast asks for: samples are carried forward as a store with this
// registry and this chain, which may be nil, does with the events it reads.
func UpcastSample(reg *serializer.Registry, chain *upcaster.Chain) func(serializer.Sample) ([]serializer.Encoded, error) {
	d := &decoding{store: &Store{reg: reg, opts: Options{Upcasters: chain}}}
	return func(s serializer.Sample) ([]serializer.Encoded, error) {
		parts, err := d.upcast(&Event{Type: s.Type, Schema: s.Schema, ContentType: s.ContentType, Raw: s.Data,
			Metadata: s.Metadata, Tags: s.Tags, RecordedAt: s.RecordedAt})
		if err != nil || parts == nil {
			return []serializer.Encoded{s.Encoded}, err
		}
		encoded := make([]serializer.Encoded, len(parts))
		for i, p := range parts {
			encoded[i] = encodedOf(&p)
		}
		return encoded, nil
	}
}
