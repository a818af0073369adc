package serializer_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Price    int64  `json:"price"`
	Note     string `json:"note"`
}

var sample any = line{SKU: "85123A", Quantity: 6, Price: 255, Note: "white hanging heart"}

func BenchmarkEncode(b *testing.B) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[line](reg, "order.line_added")
	b.Run("json alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := serializer.JSON().Marshal(sample)
			require.NoError(b, err)
		}
	})
	b.Run("through the registry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := reg.Encode(sample)
			require.NoError(b, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[line](reg, "order.line_added")
	stored, err := reg.Encode(sample)
	require.NoError(b, err)
	b.Run("json alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var l line
			require.NoError(b, json.Unmarshal(stored.Data, &l))
		}
	})
	b.Run("through the registry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := reg.Decode(stored)
			require.NoError(b, err)
		}
	})
}
