package gojson_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/codecs/gojson"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

type placed struct {
	Customer string `json:"customer"`
	Total    int64  `json:"total"`
}

// sealed has methods of its own.
type sealed struct{ text string }

func (s *sealed) MarshalJSON() ([]byte, error) { return json.Marshal("sealed:" + s.text) }

func (s *sealed) UnmarshalJSON(data []byte) error {
	var text string
	err := json.Unmarshal(data, &text)
	s.text = strings.TrimPrefix(text, "sealed:")
	return err
}

func registry(codec serializer.Codec) *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[placed](reg, "placed")
	serializer.Register[*placed](reg, "pointer")
	serializer.Register[sealed](reg, "sealed")
	serializer.Register[struct{ Sealed sealed }](reg, "with sealed")
	return reg
}

func TestItTakesThePlaceOfTheStandardCodecAndBack(t *testing.T) {
	for _, value := range []any{placed{"ada <&>", 1<<62 + 1}, &placed{Total: -1}, sealed{"x"}, struct{ Sealed sealed }{sealed{"y"}}} {
		for _, order := range [][2]serializer.Codec{{serializer.JSON(), gojson.New()}, {gojson.New(), serializer.JSON()}} {
			written, err := registry(order[0]).Encode(value)
			require.NoError(t, err)
			read, err := registry(order[1]).Decode(written)
			require.NoError(t, err)
			require.Equal(t, value, read)
			again, err := registry(order[1]).Encode(value)
			require.NoError(t, err)
			require.Equal(t, written, again)
		}
	}
}

func TestUpcastersKeepAllDigits(t *testing.T) {
	chain, err := upcaster.New(upcaster.Map(upcaster.V("placed", 1), upcaster.V("placed", 2), func(fields map[string]any) error {
		fields["id"] = fields["number"].(json.Number)
		delete(fields, "number")
		return nil
	}))
	require.NoError(t, err)
	reg := registry(gojson.New())
	events, err := chain.Upcast(upcaster.Event{Type: upcaster.V("placed", 1), ContentType: "application/json",
		Data: []byte(`{"number":1234567890123456789,"in":{"n":1.50}}`)},
		func(contentType string) (upcaster.Codec, bool) { return reg.Codec(contentType) })
	require.NoError(t, err)
	require.Equal(t, `{"id":1234567890123456789,"in":{"n":1.50}}`, string(events[0].Data))
}

// A type is prepared when it is first met, which may be in many goroutines at once.
func TestManyGoroutinesMayMeetATypeFirst(t *testing.T) {
	type inner struct{ A, B, C map[string][]placed }
	type outer struct {
		Inner *inner
		More  []inner
	}
	data := []byte(`{"Inner":{"A":{"x":[{"customer":"ada"}]}},"More":[{},{"B":{"y":[]}}]}`)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var v outer
			if err := gojson.New().Unmarshal(data, &v); err != nil || v.Inner.A["x"][0].Customer != "ada" {
				t.Error("read", v, err)
			}
			if _, err := gojson.New().Marshal(&v); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestWhatWasReadStaysWhenTheBytesAreUsedAgain(t *testing.T) {
	data := []byte(`{"customer":"ada lovelace","total":1}`)
	var v placed
	require.NoError(t, gojson.New().Unmarshal(data, &v))
	clear(data)
	require.Equal(t, placed{"ada lovelace", 1}, v)
}
