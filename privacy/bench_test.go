package privacy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
)

// payloadsOf returns n payloads of 100 people as they are encoded.
func payloadsOf(b *testing.B, n int, value func(i int) any) []eventstore.Payload {
	reg := newRegistry()
	list := make([]eventstore.Payload, n)
	for i := range list {
		v := value(i)
		enc, err := reg.Encode(v)
		require.NoError(b, err)
		list[i] = eventstore.Payload{Stream: stream(fmt.Sprint(i)), Value: v, Encoded: enc}
	}
	return list
}

func person(i int) any {
	e := anna
	e.Customer = fmt.Sprint("c-", i%100)
	return e
}

// BenchmarkProtect and BenchmarkReveal take a page of 500 events at a time, with three personal fields each, or none.
func BenchmarkProtect(b *testing.B) { bench(b, false) }

func BenchmarkReveal(b *testing.B) { bench(b, true) }

func bench(b *testing.B, reveal bool) {
	for name, value := range map[string]func(i int) any{
		"fields": person,
		"whole":  func(i int) any { return diagnosed{Patient: fmt.Sprint("c-", i%100), Diagnosis: "melancholia"} },
		"plain":  func(int) any { return noted{"just a note, of the length that a note has"} },
	} {
		b.Run(name, func(b *testing.B) {
			vault, err := privacy.Open(b.Context(), newRegistry(), memory.New(), privacy.NewMasterKey(), nil)
			require.NoError(b, err)
			plain := payloadsOf(b, 500, value)
			stored := append([]eventstore.Payload(nil), plain...)
			require.NoError(b, vault.Protect(b.Context(), stored))
			page := make([]eventstore.Payload, len(plain))
			b.ReportAllocs()
			for b.Loop() {
				if reveal {
					copy(page, stored)
					err = vault.Reveal(b.Context(), page)
				} else {
					copy(page, plain)
					err = vault.Protect(b.Context(), page)
				}
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(page)), "ns/event")
		})
	}
}
