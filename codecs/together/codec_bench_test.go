package together_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/codecs/cbor"
	"github.com/tidemark-go/tidemark/codecs/zstd"
	"github.com/tidemark-go/tidemark/serializer"
)

// line is a small event, and ordered a larger one, as a shop has them.
type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Price    int64  `json:"price"`
	Name     string `json:"name"`
}

type ordered struct {
	ID       string            `json:"id"`
	Customer string            `json:"customer"`
	At       time.Time         `json:"at"`
	Total    int64             `json:"total"`
	Labels   map[string]string `json:"labels,omitempty"`
	Lines    []line            `json:"lines"`
}

// lines are different enough from each other to be no gift to a compressor.
func lines(n int) []line {
	words := strings.Fields("white hanging heart t-light holder red woolly hottie glass star frosted lantern union jack mug")
	out := make([]line, n)
	for i := range out {
		word := func(k int) string { return words[(i*i+k*7+i*k)%len(words)] }
		out[i] = line{SKU: fmt.Sprint(20_000 + i*i*37%9999), Quantity: i*13%48 + 1, Price: int64(i*i*101%5000) + 1,
			Name: word(1) + " " + word(2) + " " + word(3)}
	}
	return out
}

func order(n int) *ordered {
	return &ordered{ID: "018f3c6e-7b1a-7cc3-98c4-dc0c0c07398f", Customer: "17850", Total: 13_912, Lines: lines(n),
		At: time.Date(2024, 2, 29, 12, 0, 0, 123_456_000, time.UTC), Labels: map[string]string{"channel": "web", "country": "GB"}}
}

func BenchmarkCodecs(b *testing.B) {
	all := &serializer.CompressOptions{MinSize: 1}
	for _, c := range []serializer.Codec{
		serializer.JSON(), cbor.New(), serializer.Compressed(serializer.JSON(), all), zstd.Compressed(serializer.JSON(), all),
	} {
		b.Run("1 line/"+c.ContentType(), func(b *testing.B) { measure(b, c, &lines(1)[0]) })
		b.Run("10 lines/"+c.ContentType(), func(b *testing.B) { measure(b, c, order(10)) })
		b.Run("100 lines/"+c.ContentType(), func(b *testing.B) { measure(b, c, order(100)) })
	}
}

// measure measures a codec that writes and reads a value.
func measure[T any](b *testing.B, c serializer.Codec, v *T) {
	data, err := c.Marshal(v)
	require.NoError(b, err)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data)), "bytes")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Unmarshal(data, new(T)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
