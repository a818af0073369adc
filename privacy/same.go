package privacy

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// same reports whether a value is the fallback, though a codec may space it and write its numbers in its own way.
func same(plain, fallback []byte) bool {
	if bytes.Equal(plain, fallback) {
		return true
	}
	a, errA := exact(plain)
	b, errB := exact(fallback)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// exact returns a JSON value in which numbers that are alike are written alike. A float64 would take large ones for their
// neighbours.
func exact(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&v)
	return withDecimals(v), err
}

func withDecimals(v any) any {
	switch v := v.(type) {
	case json.Number:
		return decimal(v)
	case []any:
		for i := range v {
			v[i] = withDecimals(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withDecimals(v[name])
		}
	}
	return v
}

// decimal writes a number as digits without zeros around them, times a power of ten: 421e-1 for 42.10.
func decimal(n json.Number) json.Number {
	mantissa, power, _ := strings.Cut(strings.ToLower(n.String()), "e")
	exponent, err := strconv.ParseInt(power, 10, 32)
	if err != nil && power != "" {
		return n
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	short := strings.TrimRight(digits, "0")
	exponent += int64(len(digits) - len(short) - len(fraction))
	if negative {
		short = "-" + short
	}
	return json.Number(short + "e" + strconv.FormatInt(exponent, 10))
}
