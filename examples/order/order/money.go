package order

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Money is an exact amount in thousandths of a pound: price lists have prices of a tenth of a penny.
type Money int64

// Pence returns an amount of n pence.
func Pence(n int64) Money { return Money(10 * n) }

// maxPrice keeps amounts far from the end of the integers.
const maxPrice = 1_000_000_000

// ParseMoney reads a price in pounds, such as "4.95", of at most three decimals and a million pounds.
func ParseMoney(s string) (Money, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" {
		return 0, fmt.Errorf("%q is not an amount of pounds", s)
	}
	if len(fraction) > 3 {
		return 0, fmt.Errorf("%q has more than three decimals", s)
	}
	n, err := strconv.ParseUint(whole+(fraction + "000")[:3], 10, 63)
	switch {
	case n > maxPrice || errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%q is more than a million pounds", s)
	case err != nil:
		return 0, fmt.Errorf("%q is not an amount of pounds", s)
	case negative:
		return -Money(n), nil
	default:
		return Money(n), nil
	}
}

// String returns the amount in pounds, with the third decimal where it is needed: "1,234.50", "0.001".
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	text := fmt.Sprintf("%s.%03d", Thousands(int64(m/1000)), m%1000)
	return sign + strings.TrimSuffix(text, "0")
}

// Thousands writes a number as "12,392".
func Thousands[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
