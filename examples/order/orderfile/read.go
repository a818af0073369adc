// Package orderfile reads files of invoice lines and replays them as commands on orders.
//
// A line names its invoice, and the lines of an invoice may stand anywhere in the file. So the whole file is read before
// the first command, some 500 bytes of memory for a line, and a file with a mistake in it changes nothing.
package orderfile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/examples/order/order"
)

// Row is one line of a file.
type Row struct {
	Number   int // of the line in the file; the first is the header's
	Invoice  string
	Customer string // empty for a guest
	Country  string
	At       time.Time
	Item     order.Line // as it stands there: without an ID, and with a negative quantity where goods came back
}

// The columns of a file, in any order. Others are ignored.
const (
	invoiceNo   = "InvoiceNo"
	stockCode   = "StockCode"
	description = "Description"
	quantity    = "Quantity"
	invoiceDate = "InvoiceDate"
	unitPrice   = "UnitPrice"
	customerID  = "CustomerID"
	country     = "Country"
)

func columns() []string {
	return []string{invoiceNo, stockCode, description, quantity, invoiceDate, unitPrice, customerID, country}
}

// Read returns all lines of a CSV file in UTF-8, with a byte order mark or without, with any line ends. The error for a
// file that is not what it should be names the line.
func Read(r io.Reader) ([]Row, error) {
	text := bufio.NewReader(r)
	if mark, _ := text.Peek(3); string(mark) == "\uFEFF" {
		_, _ = text.Discard(3)
	}
	f := &file{csv: csv.NewReader(text)}
	f.csv.ReuseRecord = true
	if err := f.readHeader(); err != nil {
		return nil, err
	}
	var rows []Row
	for {
		row, err := f.readRow()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// file is a file that is being read.
type file struct {
	csv    *csv.Reader
	column map[string]int // by name
	record []string
}

func (f *file) readHeader() error {
	header, err := f.csv.Read()
	if err == io.EOF {
		return errors.New("the file is empty: its first line should name the columns")
	}
	if errors.As(err, new(*csv.ParseError)) {
		return fmt.Errorf("not a CSV file: %w", err)
	}
	if err != nil {
		return err
	}
	f.column = make(map[string]int, len(header))
	for i, name := range header {
		name = strings.TrimSpace(name)
		if _, twice := f.column[name]; twice {
			return fmt.Errorf("line 1: the column %q stands there twice", name)
		}
		f.column[name] = i
	}
	missing := slices.DeleteFunc(columns(), func(name string) bool { _, ok := f.column[name]; return ok })
	if len(missing) > 0 {
		return fmt.Errorf("line 1: not the header of an order file: it lacks the columns %s", strings.Join(missing, ", "))
	}
	return nil
}

func (f *file) readRow() (Row, error) {
	var err error
	if f.record, err = f.csv.Read(); err != nil {
		return Row{}, err // of package csv, with the line's number, or io.EOF
	}
	row, column, err := f.parse()
	if err != nil {
		line, _ := f.csv.FieldPos(f.column[column])
		return Row{}, fmt.Errorf("line %d: %s: %w", line, column, err)
	}
	row.Number, _ = f.csv.FieldPos(0)
	return row, nil
}

// parse returns the record as a row, or the column in which it is wrong.
func (f *file) parse() (row Row, column string, err error) {
	for _, name := range columns() {
		if !utf8.ValidString(f.field(name)) {
			return row, name, errors.New("not UTF-8: convert the file first, as with iconv -f latin1 -t utf-8")
		}
	}
	row = Row{
		Invoice:  f.field(invoiceNo),
		Customer: strings.TrimSuffix(f.field(customerID), ".0"), // what spreadsheets make of a number
		Country:  f.field(country),
		Item:     order.Line{SKU: f.field(stockCode), Description: f.field(description)},
	}
	if row.Invoice == "" {
		return row, invoiceNo, errors.New("it is empty")
	}
	if row.Item.Quantity, err = parseQuantity(f.field(quantity)); err != nil {
		return row, quantity, err
	}
	if row.Item.Price, err = order.ParseMoney(f.field(unitPrice)); err != nil {
		return row, unitPrice, err
	}
	row.At, err = parseTime(f.field(invoiceDate))
	return row, invoiceDate, err
}

func (f *file) field(name string) string { return strings.TrimSpace(f.record[f.column[name]]) }

func parseQuantity(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number of up to nine digits", s)
	}
	return int(n), nil
}

func parseTime(s string) (time.Time, error) {
	at, err := time.Parse(time.DateTime, s)
	if err != nil {
		return at, fmt.Errorf("%q is not a time like 2011-12-06 10:32:00", s)
	}
	return at, nil
}
