package upcaster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/upcaster"
)

func BenchmarkUpcast(b *testing.B) {
	chain := newChain(b,
		upcaster.Struct(v("struct", 1), v("struct", 2), inEuro),
		renameField(v("map", 1), v("map", 2), "Total", "Sum"),
		upcaster.Rename(v("rename", 1), v("rename", 2)),
		splitInto(v("split", 1), v("split", 2), v("other", 1)),
		upcaster.Drop(v("drop", 1)),
	)
	for _, name := range []string{"struct", "map", "rename", "split", "drop"} {
		b.Run(name, func(b *testing.B) {
			stored := event(v(name, 1), `{"Total":1999}`)
			b.ReportAllocs()
			for b.Loop() {
				_, err := chain.Upcast(stored, codecs)
				require.NoError(b, err)
			}
		})
	}
	b.Run("asking for what is not handled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.False(b, chain.Handles(v("rename", 2)))
		}
	})
}
