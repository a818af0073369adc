package serializer_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// numbers are kept as they are written.
type numbers struct {
	Of []json.Number `json:"of"`
}

// differ reports whether two numbers count as two.
func differ(t *testing.T, a, b string) bool {
	t.Helper()
	reg := newRegistry(t, func(r *serializer.Registry) { serializer.Register[numbers](r, "numbers") })
	payload := func(n string) serializer.Encoded {
		return serializer.Encoded{Type: "numbers", Schema: 1, ContentType: "application/json", Data: []byte(`{"of":[` + n + `]}`)}
	}
	paths, err := reg.Differences(payload(a), payload(b))
	require.NoError(t, err)
	if len(paths) > 0 {
		require.Equal(t, []string{"of[0]"}, paths)
	}
	return len(paths) > 0
}

func TestNumbersAreTheSameIfTheirDecimalValuesAre(t *testing.T) {
	values := [][]string{ // each in some of the ways in which it can be written
		{"1", "1.0", "1.000e0", "10e-1", "0.1e1", "1E+0", "1e00", "0.0000001e7"},
		{"-1500", "-1500.0", "-1.5e3", "-15E+2", "-0.15e04"},
		{"1500"},
		{"0", "0.0", "0e0", "0e999999999", "0.000e-99999999999999999999"},
		{"-0", "-0.0", "-0e5"}, // a float64 tells it from 0
		{"1000000000000000000000", "1e21", "1.0e+21", "10e20"},
		{"0.1", "1e-1", "0.10", "0.000001e5"},
		{"12345678901234567.89", "1234567890123456789e-2", "1.234567890123456789e16"},
		{"12345678901234567.88"},
		{"9007199254740992", "9007199254740992.0", "9.007199254740992e15"},
		{"9007199254740993", "9007199254740993.0", "9.007199254740993e15"},
		{"0.1000000000000000055511151231257827", "1000000000000000055511151231257827e-34"},
		{"1e30", "10e29", "1" + strings.Repeat("0", 30)},
		{"1e31", "10e30", "1" + strings.Repeat("0", 31)},
		{"1e-30", "0." + strings.Repeat("0", 29) + "1"},
		{"1e-32", "0." + strings.Repeat("0", 31) + "1"},
		{"1e999999999", "10e999999998", "0.01e1000000001"},
		{"1e-999999999", "10e-1000000000"},
		{"1e99999999999999999999"},
		{"1e-99999999999999999999"},
	}
	for i, value := range values {
		for _, text := range value {
			for j, other := range values {
				for _, otherText := range other {
					require.Equal(t, i != j, differ(t, text, otherText), "%s and %s", text, otherText)
				}
			}
		}
	}
}

func TestAMillionDigitsAreCompared(t *testing.T) {
	digits := strings.Repeat("7", 1_000_000)
	require.False(t, differ(t, digits, "0."+digits+"00e1000000"))
	require.True(t, differ(t, digits, digits[1:]+"8"))
	require.True(t, differ(t, "1e"+digits, "1e-"+digits))
}

// A float is written in one way by each codec, so whatever the text that it was read from, it is what it is.
func TestNumbersThatTheTypeReadsAsOneAreTheSame(t *testing.T) {
	type measured struct {
		Double float64
		Single float32
		Any    any
	}
	reg := newRegistry(t, func(r *serializer.Registry) { serializer.Register[measured](r, "measured") })
	payload := func(n string) serializer.Encoded {
		data := fmt.Appendf(nil, `{"Double":%s,"Single":%[1]s,"Any":%[1]s}`, n)
		return serializer.Encoded{Type: "measured", Schema: 1, ContentType: "application/json", Data: data}
	}
	for a, b := range map[string]string{
		"0.1":                  "0.10000000000000001",
		"1e21":                 "1000000000000000000000",
		"12345678901234567.89": "12345678901234568",
		"0.30000000000000004":  "0.3000000000000000444",
	} {
		paths, err := reg.Differences(payload(a), payload(b))
		require.NoError(t, err)
		require.Empty(t, paths)
	}
}

type priced struct {
	Amount float64 `json:"amount"`
	Ratio  float32 `json:"ratio"`
}

func TestCheckSeesThatAFloatLosesDigits(t *testing.T) {
	r := released(t, func(r *serializer.Registry) { serializer.Register[priced](r, "priced") })
	sample := func(payload string) string {
		return `{"type":"priced","schema":1,"content_type":"application/json","payload":` + payload + `}`
	}
	for _, kept := range []string{
		`{"amount":42.10,"ratio":0.1}`, `{"amount":1e21,"ratio":1.0}`, `{"amount":1000000000000000000000,"ratio":1e-1}`,
		`{"amount":5e-324,"ratio":16777216.0}`, `{"amount":-0.0,"ratio":0.0}`, `{"amount":12345678901234568,"ratio":3.4028235e38}`,
	} {
		put(t, r, "real.json", sample(kept))
		require.NoError(t, r.check(t, ""), kept)
	}
	put(t, r, "real.json", sample(`{"amount":12345678901234567.89,"ratio":16777217.0}`))
	require.ErrorContains(t, r.check(t, ""), "stands in a payload of priced v1:\n"+
		"    - amount: 12345678901234567.89\n    + amount: 12345678901234568\n    - ratio: 16777217\n    + ratio: 16777216\n")
}

type account struct {
	Number int64  `json:"number"`
	Note   string `json:"note"`
}

// What stands within a format of JSON is read as JSON is, in all its digits.
func TestDigitsCountInCompressedPayloads(t *testing.T) {
	codec := serializer.Compressed(serializer.JSON(), &serializer.CompressOptions{MinSize: 1})
	register := func(r *serializer.Registry) { serializer.Register[account](r, "account", serializer.WithCodec(codec)) }
	reg := newRegistry(t, register)
	encode := func(number int64) serializer.Encoded {
		enc, err := reg.Encode(account{Number: number, Note: strings.Repeat("a", 100)})
		require.NoError(t, err)
		require.Equal(t, "application/json+gzip", enc.ContentType)
		return enc
	}
	paths, err := reg.Differences(encode(9007199254740993), encode(9007199254740992))
	require.NoError(t, err)
	require.Equal(t, []string{"number"}, paths)

	plain := serializer.Encoded{Type: "account", Schema: 1, ContentType: "application/json",
		Data: fmt.Appendf(nil, `{"note":%q,"number":9007199254740993}`, strings.Repeat("a", 100))}
	paths, err = reg.Differences(encode(9007199254740993), plain)
	require.NoError(t, err)
	require.Empty(t, paths)
}

func TestCheckSeesThatDigitsAreLostInCompressedPayloads(t *testing.T) {
	codec := serializer.Compressed(serializer.JSON(), &serializer.CompressOptions{MinSize: 1})
	r := released(t, func(r *serializer.Registry) { serializer.Register[priced](r, "priced", serializer.WithCodec(codec)) })
	data, err := codec.Marshal(map[string]json.Number{"amount": "12345678901234567.89"})
	require.NoError(t, err)
	put(t, r, "real.json", `{"type":"priced","schema":1,"content_type":"application/json+gzip","payload_base64":"`+
		base64.StdEncoding.EncodeToString(data)+`"}`)
	require.ErrorContains(t, r.check(t, ""), "    - amount: 12345678901234567.89\n    + amount: 12345678901234568\n")
}
