// Package decimal writes numbers that are alike alike, with all their digits.
package decimal

import (
	"strconv"
	"strings"
)

// maxZeros is how many zeros Normal writes where an exponent would do, so that a short text never becomes a long one.
const maxZeros = 30

// Normal writes the text of a number in the one way in which its value is written: 42.10, 0.421e2 and 42.1 are "42.1". It
// keeps all digits, and the sign of zero, which a float64 has too. A number whose exponent has more than 63 bits stays as
// it is.
func Normal(number string) string {
	unsigned := strings.TrimPrefix(number, "-")
	sign := number[:len(number)-len(unsigned)]
	mantissa, exponent := cutExponent(unsigned)
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return sign + "0"
	}
	power, err := strconv.ParseInt(exponent, 10, 63) // a bit is left for moving the point
	if err != nil {
		return number
	}
	point := power + int64(len(digits)-len(fraction))
	return sign + withPoint(strings.TrimRight(digits, "0"), point)
}

func cutExponent(number string) (mantissa, exponent string) {
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		return number[:i], number[i+1:]
	}
	return number, "0"
}

// withPoint writes 0.digits times ten to the power of point. The digits neither begin nor end with a zero.
func withPoint(digits string, point int64) string {
	n := int64(len(digits))
	switch {
	case point < -maxZeros || point > n+maxZeros:
		return digits + "e" + strconv.FormatInt(point-n, 10)
	case point <= 0:
		return "0." + strings.Repeat("0", int(-point)) + digits
	case point >= n:
		return digits + strings.Repeat("0", int(point-n))
	default:
		return digits[:point] + "." + digits[point:]
	}
}
