package cbor_test

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/codecs/cbor"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// line is written by its json tags.
type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Note     string `json:"note,omitempty"`
}

// short is written by its cbor tags.
type short struct {
	SKU      string `cbor:"1,keyasint" json:"sku"`
	Quantity int    `cbor:"2,keyasint" json:"quantity"`
}

// grade has nothing but methods for text.
type grade struct{ letter byte }

func (g grade) MarshalText() ([]byte, error) { return []byte{g.letter}, nil }

func (g *grade) UnmarshalText(text []byte) error {
	if len(text) != 1 {
		return fmt.Errorf("a grade is one letter, not %q", text)
	}
	g.letter = text[0]
	return nil
}

// tree nests.
type tree struct{ Inner *tree }

// everything has a field of each kind.
type everything struct {
	line
	Small  int8
	Large  uint64
	Float  float64
	When   time.Time
	For    time.Duration
	Lines  []line
	ByID   map[uuid.UUID]line
	Number map[int]string
	ID     uuid.UUID
	Addr   netip.Addr
	Big    big.Int
	Grade  grade
	Bytes  []byte
	Hash   [4]byte
	Null   *line
	Empty  []line
	Any    any
}

func full() everything {
	return everything{
		line: line{SKU: "85123A", Quantity: 6}, Small: -128, Large: math.MaxUint64, Float: 0.1,
		When: time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.FixedZone("", 3600)), For: time.Hour,
		Lines: []line{{SKU: "a\x00\xff"}, {}}, ByID: map[uuid.UUID]line{{1}: {SKU: "b"}}, Number: map[int]string{-1: "x"},
		ID: uuid.UUID{15: 7}, Addr: netip.MustParseAddr("10.0.0.1"), Big: *big.NewInt(0).Lsh(big.NewInt(1), 100),
		Grade: grade{'A'}, Bytes: []byte{0, 1}, Hash: [4]byte{3: 1}, Empty: []line{},
		Any: map[string]any{"n": int64(1), "list": []any{"a", nil, true, 1.5}},
	}
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	for name, value := range map[string]any{
		"a struct by its json tags": line{SKU: "85123A", Quantity: 6},
		"a struct by its cbor tags": short{SKU: "85123A", Quantity: 6},
		"a field of each kind":      full(),
		"the zero value of each":    everything{},
		"a pointer":                 &line{SKU: "a"},
		"a text":                    "hello",
		"a text that is not UTF-8":  "a\xff",
		"infinity":                  math.Inf(1),
		"a list":                    []string{"b", "a"},
		"200,000 elements":          make([]int, 200_000),
		"nested in 5,000 levels":    nested(5_000),
		"an empty struct":           struct{}{},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registry()
			stored, err := reg.Encode(value)
			require.NoError(t, err)
			require.Equal(t, "application/cbor", stored.ContentType)
			back, err := reg.Decode(stored)
			require.NoError(t, err)
			if e, ok := value.(everything); ok { // times are equal in more than one way
				got := back.(everything)
				require.Equal(t, e.When.Format(time.RFC3339Nano), got.When.Format(time.RFC3339Nano))
				got.When = e.When
				back = got
			}
			require.Equal(t, value, back)
			again, err := reg.Encode(value)
			require.NoError(t, err)
			require.Equal(t, stored, again, "equal values are equal bytes")
		})
	}
}

func registry() *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: cbor.New()})
	serializer.Register[line](reg, "line")
	serializer.Register[*line](reg, "pointer")
	serializer.Register[short](reg, "short")
	serializer.Register[everything](reg, "everything")
	serializer.Register[string](reg, "text")
	serializer.Register[float64](reg, "float")
	serializer.Register[[]string](reg, "list")
	serializer.Register[[]int](reg, "numbers")
	serializer.Register[tree](reg, "tree")
	serializer.Register[struct{}](reg, "empty")
	return reg
}

func nested(levels int) (t tree) {
	for range levels {
		inner := t
		t = tree{Inner: &inner}
	}
	return t
}

func TestItReadsAsJSONDoes(t *testing.T) {
	c := cbor.New()
	write := func(t *testing.T, v any) []byte {
		data, err := c.Marshal(v)
		require.NoError(t, err)
		return data
	}
	t.Run("unknown fields are ignored, missing ones stay zero, names match in any case", func(t *testing.T) {
		data := write(t, map[string]any{"SKU": "a", "colour": "red"})
		var l line
		require.NoError(t, c.Unmarshal(data, &l))
		require.Equal(t, line{SKU: "a"}, l)
	})
	t.Run("it takes fewer bytes", func(t *testing.T) {
		asJSON, err := serializer.JSON().Marshal(&line{SKU: "85123A", Quantity: 6})
		require.NoError(t, err)
		require.Less(t, len(write(t, &line{SKU: "85123A", Quantity: 6})), len(asJSON))
	})
	t.Run("a map is written in one order", func(t *testing.T) {
		fields := map[string]int{}
		for i := range 100 {
			fields[fmt.Sprint(i)] = i
		}
		first := write(t, &fields)
		for range 10 {
			require.Equal(t, first, write(t, &fields))
		}
	})
	t.Run("data is neither kept nor changed", func(t *testing.T) {
		data := write(t, &everything{Bytes: []byte{1, 2, 3}})
		before := string(data)
		var e everything
		require.NoError(t, c.Unmarshal(data, &e))
		require.Equal(t, before, string(data))
		clear(data)
		require.Equal(t, []byte{1, 2, 3}, e.Bytes)
	})
}

func TestWhatIsNoCBORIsRefused(t *testing.T) {
	reg := registry()
	for name, data := range map[string]string{
		"nothing":             "",
		"JSON":                `{"sku":"a"}`,
		"cut off":             "\xa1\x63sku",
		"more than one value": "\xa0\xa0",
		"a list of 2^31 elements that are not there": "\x9a\x7f\xff\xff\xff",
		"a map of 2^62 pairs that are not there":     "\xbb\x3f\xff\xff\xff\xff\xff\xff\xff",
		"a text for a number":                        "\xa1\x68quantity\x61a",
		"more than 10,000 levels":                    strings.Repeat("\x81", 10_001) + "\x01",
	} {
		t.Run(name, func(t *testing.T) {
			v, err := reg.Decode(serializer.Encoded{Type: "line", Schema: 1, ContentType: "application/cbor", Data: []byte(data)})
			require.ErrorContains(t, err, "serializer: decode line v1 into cbor_test.line: ")
			require.Nil(t, v)
		})
	}
}

func TestUpcastersReadAndWriteIt(t *testing.T) {
	reg := registry()
	codec := func(contentType string) (upcaster.Codec, bool) { return reg.Codec(contentType) }
	type before struct {
		Product string `json:"product"`
		Amount  uint64 `json:"amount"`
		Extra   map[string]any
	}
	data, err := cbor.New().Marshal(&before{Product: "a", Amount: math.MaxUint64, Extra: map[string]any{"n": 1}})
	require.NoError(t, err)
	chain, err := upcaster.New(
		upcaster.Map(upcaster.V("line", 1), upcaster.V("line", 2), func(fields map[string]any) error {
			fields["sku"] = fields["product"].(string) + "!"
			fields["Extra"].(map[string]any)["m"] = fields["amount"]
			return nil
		}),
		upcaster.Struct(upcaster.V("line", 2), upcaster.V("line", 3), func(old struct {
			SKU   string            `json:"sku"`
			Extra map[string]uint64 `json:"extra"`
		}) (map[string]any, error) {
			return map[string]any{"sku": old.SKU, "n": old.Extra["n"], "m": old.Extra["m"]}, nil
		}),
	)
	require.NoError(t, err)
	events, err := chain.Upcast(upcaster.Event{Type: upcaster.V("line", 1), ContentType: "application/cbor", Data: data}, codec)
	require.NoError(t, err)
	require.Len(t, events, 1)
	var sku struct{ SKU string }
	require.NoError(t, cbor.New().Unmarshal(events[0].Data, &sku))
	require.Equal(t, "a!", sku.SKU)
	var numbers struct{ N, M uint64 }
	require.NoError(t, cbor.New().Unmarshal(events[0].Data, &numbers))
	require.EqualValues(t, 1, numbers.N)
	require.EqualValues(t, uint64(math.MaxUint64), numbers.M)
}

func TestSamples(t *testing.T) {
	reg := serializer.NewRegistry(&serializer.Options{Codec: cbor.New()})
	serializer.Register[everything](reg, "everything")
	serializer.Register[short](reg, "short")
	require.NoError(t, serializer.Check(reg, nil))
}

// A release that wrote JSON knew no integers where any value may stand.
func TestANumberIsTheSameAsAFloatAndAsAnInteger(t *testing.T) {
	reg := serializer.NewRegistry(&serializer.Options{Codec: cbor.New()})
	serializer.Register[map[string]any](reg, "any")
	require.NoError(t, reg.Err())
	for text, number := range map[string]any{
		"1": int64(1), "1000000": int64(1_000_000), "1e30": new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil), "-2.50": float32(-2.5),
	} {
		stored := serializer.Encoded{Type: "any", Schema: 1, ContentType: "application/json", Data: []byte(`{"n":` + text + `}`)}
		tried, err := reg.Encode(map[string]any{"n": number})
		require.NoError(t, err)
		paths, err := reg.Differences(stored, tried)
		require.NoError(t, err)
		require.Empty(t, paths, text)
		stored.Data = []byte(`{"n":7}`)
		paths, err = reg.Differences(stored, tried)
		require.NoError(t, err)
		require.Equal(t, []string{"n"}, paths)
	}
}
