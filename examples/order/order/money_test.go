package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/examples/order/order"
)

func TestMoneyIsReadExactly(t *testing.T) {
	for text, want := range map[string]order.Money{
		"4.95": 4950, "4.0": 4000, "4": 4000, "4.": 4000, "0.001": 1, "0.0010": 1, "0": 0, "-11062.06": -11_062_060,
		"1000000": 1_000_000_000, "00.29": 290,
	} {
		got, err := order.ParseMoney(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":                    `"" is not an amount of pounds`,
		".5":                  `".5" is not an amount of pounds`,
		"four":                `"four" is not an amount of pounds`,
		"1e3":                 `"1e3" is not an amount of pounds`,
		"--1":                 `"--1" is not an amount of pounds`,
		"1,50":                `"1,50" is not an amount of pounds`,
		"1.2.3":               `"1.2.3" is not an amount of pounds`,
		"0.0001":              `"0.0001" has more than three decimals`,
		"1000000.001":         `"1000000.001" is more than a million pounds`,
		"9223372036854775808": `"9223372036854775808" is more than a million pounds`,
	} {
		_, err := order.ParseMoney(text)
		require.EqualError(t, err, want, text)
	}
}

func TestMoneyIsWrittenInPounds(t *testing.T) {
	for m, want := range map[order.Money]string{
		0: "0.00", 1: "0.001", 10: "0.01", 4950: "4.95", 575_574_670: "575,574.67", -1_234_500: "-1,234.50",
		-5: "-0.005", 999_990: "999.99", 1_000_000_000: "1,000,000.00",
	} {
		require.Equal(t, want, m.String())
	}
}

func TestNumbersAreWrittenWithThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -999: "-999", -123456: "-123,456", 1234567: "1,234,567"} {
		require.Equal(t, want, order.Thousands(n))
	}
}
