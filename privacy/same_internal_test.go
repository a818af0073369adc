package privacy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersThatAreAlikeAreTheSameHoweverTheyAreWritten(t *testing.T) {
	groups := [][]string{
		{"42.1", "42.10", "421e-1", "0.421E+2", "4210e-2"},
		{"0", "0.00", "0e5"}, {"-0", "-0.0"},
		{"100", "1e2", "1E+02"}, {"10"}, {"1", "1.0"}, {"0.1", "1e-1"}, {"0.01"},
		{"-7", "-7.0", "-70e-1"}, {"7"},
		{"9007199254740992", "9007199254740992.0"}, {"9007199254740993"}, {"-9007199254740993"},
		{"0.10000000000000000001"}, {"1e400"}, {"1e401", "10e400"}, {"1e99999999999"},
		{`"1"`}, {"null"}, {"[]"}, {"{}"},
		{`{"n": [1.50, {"m": 2}]}`, `{"n":[15e-1,{"m":2.0}]}`}, {`{"n":[1.5,{"m":3}]}`},
	}
	for i, group := range groups {
		for _, a := range group {
			for j, other := range groups {
				for _, b := range other {
					require.Equal(t, i == j, same([]byte(a), []byte(b)), "%s and %s", a, b)
				}
			}
		}
	}
}
