package orderfile_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/examples/order/order"
	"github.com/tidemark-go/tidemark/examples/order/orderfile"
)

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

func TestReadingAFile(t *testing.T) {
	want := []orderfile.Row{
		{Number: 2, Invoice: "600001", Customer: "12001", Country: "France",
			At:   time.Date(2011, 1, 4, 9, 12, 0, 0, time.UTC),
			Item: order.Line{SKU: "21071", Description: "MUG, BLUE", Quantity: 6, Price: order.Pence(125)}},
		{Number: 3, Invoice: "C600002", Country: "EIRE",
			At:   time.Date(2011, 1, 5, 0, 0, 0, 0, time.UTC),
			Item: order.Line{SKU: "M", Quantity: -1, Price: 1}},
	}
	const file = header + `600001,21071,"MUG, BLUE ",6,2011-01-04 09:12:00,1.25,12001.0,France
C600002,M,,-1,2011-01-05 00:00:00,0.001,,EIRE
`
	for name, text := range map[string]string{
		"takes it as it is":              file,
		"takes Windows line ends":        strings.ReplaceAll(file, "\n", "\r\n"),
		"takes a byte order mark":        "\uFEFF" + file,
		"takes a file that just ends":    strings.TrimSuffix(file, "\n"),
		"takes columns in another order": reordered(file),
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := orderfile.Read(strings.NewReader(text))
			require.NoError(t, err)
			require.Equal(t, want, rows)
		})
	}
	t.Run("takes a file without lines", func(t *testing.T) {
		rows, err := orderfile.Read(strings.NewReader(header))
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// reordered puts the first column last, and one that nobody asked for before it.
func reordered(file string) string {
	var out strings.Builder
	for line := range strings.Lines(file) {
		first, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ",")
		out.WriteString(rest + ",more " + first[:1] + "," + first + "\n")
	}
	return out.String()
}

func TestAFileThatIsNotWhatItShouldBe(t *testing.T) {
	const good = "600001,21071,MUG,6,2011-01-04 09:12:00,1.25,12001.0,France\n"
	for name, c := range map[string]struct{ text, want string }{
		"is empty": {"", "the file is empty: its first line should name the columns"},
		"lacks columns": {"InvoiceNo,StockCode,Description,Quantity,InvoiceDate\n",
			"line 1: not the header of an order file: it lacks the columns UnitPrice, CustomerID, Country"},
		"is of another kind": {"%PDF-1.7\n%\xe2\xe3\n", "line 1: not the header of an order file: it lacks the columns " +
			"InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country"},
		"is binary":             {"\x7fELF\x02\x01 \"", `not a CSV file: parse error on line 1, column 8: bare " in non-quoted-field`},
		"names a column twice":  {"InvoiceNo, InvoiceNo\n", `line 1: the column "InvoiceNo" stands there twice`},
		"has a short line":      {header + good + "600002,21071\n", "record on line 3: wrong number of fields"},
		"has an open quote":     {header + good + `600002,"21071` + "\n", `line 3, column 15: extraneous or missing " in quoted-field`},
		"has no invoice":        {header + strings.Replace(good, "600001", " ", 1), "line 2: InvoiceNo: it is empty"},
		"has a broken quantity": {header + good + strings.Replace(good, ",6,", ",six,", 1), `line 3: Quantity: "six" is not a whole number of up to nine digits`},
		"has a huge quantity":   {header + strings.Replace(good, ",6,", ",9999999999,", 1), `line 2: Quantity: "9999999999" is not a whole number of up to nine digits`},
		"has half a mug":        {header + strings.Replace(good, ",6,", ",6.5,", 1), `line 2: Quantity: "6.5" is not a whole number of up to nine digits`},
		"has a broken price":    {header + strings.Replace(good, "1.25", "£1.25", 1), `line 2: UnitPrice: "£1.25" is not an amount of pounds`},
		"has a broken date":     {header + strings.Replace(good, "2011-01-04", "4.1.2011", 1), `line 2: InvoiceDate: "4.1.2011 09:12:00" is not a time like 2011-12-06 10:32:00`},
		"has no date":           {header + strings.Replace(good, "2011-01-04 09:12:00", "", 1), `line 2: InvoiceDate: "" is not a time like 2011-12-06 10:32:00`},
		"is in Latin 1": {header + strings.Replace(good, "MUG", "CAF\xc9", 1),
			"line 2: Description: not UTF-8: convert the file first, as with iconv -f latin1 -t utf-8"},
		"counts lines inside of quotes": {header + strings.Replace(good, "MUG", "\"A\nMUG\"", 1) + strings.Replace(good, "1.25", "x", 1),
			`line 4: UnitPrice: "x" is not an amount of pounds`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := orderfile.Read(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("can't be read to its end", func(t *testing.T) {
		_, err := orderfile.Read(io.MultiReader(strings.NewReader(header+good), iotest.ErrReader(os.ErrDeadlineExceeded)))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

func sample(t *testing.T) []orderfile.Row {
	t.Helper()
	f, err := os.Open("../testdata/orders.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := orderfile.Read(f)
	require.NoError(t, err)
	return rows
}
