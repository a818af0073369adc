package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/pgtest"
)

const sample = "testdata/orders.csv"

// runOrder runs the program.
func runOrder(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// mustRun runs the program and returns what it says.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := runOrder(t, args...)
	require.Zero(t, code, errOut)
	return out
}

func TestTheTour(t *testing.T) {
	out := mustRun(t)
	for _, want := range []string{
		"      4  order.line_removed  1 x 22625 KITCHEN SCALES at 8.50\n",
		"      refused: the order's status does not allow it: it is open, not paid\n",
		`      Bob: eventstore: conflict: stream "order-T1001" is at version 5, expected version 4: load it again and decide anew` + "\n",
		"decided on version 5, conflict, decided again on version 6, saved\n",
		`      stored   order.line_added v1  {"id":"1","sku":"21071","quantity":3,"price":1.1}` + "\n",
		`      read as  order.line_added v2  {"id":"1","sku":"21071","quantity":3,"price":1100}` + "\n",
		"      3  order.paid          3.30\n",
		"version 901 is loaded from its events",
		"version 1104 is loaded from the snapshot of version 1101",
		"events replayed: 3\n",
		"   The log ends at position 1,114. A runner starts:\n",
		"      sales is live, at position 1116 of 1116",
		"   T1001  12345     France   2011-12  shipped     12.45\n",
		"   T1008            EIRE     2010-12  paid         3.30\n",
		"   T1011  12345     France   2011-12  open       31.813\n",
		"      log       Ada Lovelace, 12 St James's Square\n",
		"      log       [forgotten], [forgotten]\n      snapshot  can't be used any more\n      order     [forgotten], [forgotten]\n",
	} {
		require.Contains(t, out, want)
	}

	for flag, open := range map[string]func(t *testing.T) string{
		"-db":  func(t *testing.T) string { return filepath.Join(t.TempDir(), "shop.db") },
		"-dsn": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run("can be taken again on a database that is kept: "+flag, func(t *testing.T) {
			database := open(t)
			require.Contains(t, mustRun(t, flag, database), "T1001  12345     France   2011-12  shipped     12.45\n")
			require.Regexp(t, `T21\d\d  12345     France   2011-12  shipped     12.45\n`, mustRun(t, flag, database))
		})
	}
}

const sampleReport = `
Revenue in pounds

    month  Netherlands  United Kingdom  Germany  France    EIRE  others      all
  2011-01         0.00           73.45    33.00    0.00    0.00    0.00   106.45
  2011-02         0.00           99.30    -2.50   25.72   47.55    0.00   170.07
  2011-03       241.32           35.15   108.00  30.639  -17.75   17.00  414.359
      all       241.32          207.90   138.50  56.359   29.80   17.00  690.879

Best sellers

  quantity  pounds  item
       601  17.439  84077 BOX OF 60 CLIPS
       136  102.60  22197 POPCORN HOLDER
       110  184.50  85099B BAG "RETRO SPOT"
        94  103.82  21071 BLUE MUG
        38   99.30  85123A HEART T-LIGHT HOLDER
        27   39.75  20725 LUNCH BAG
         4   20.14  22722 SPICE TINS
         4    8.32  23084 LAMPE LAPIN ÉTÉ
         3   25.50  22625 KITCHEN SCALES
         3   54.00  POST POSTAGE
`

func TestImportingAFile(t *testing.T) {
	t.Run("into SQLite", func(t *testing.T) { testImport(t, "-db", filepath.Join(t.TempDir(), "shop.db")) })
	t.Run("into Postgres", func(t *testing.T) { testImport(t, "-dsn", pgtest.DSN(t)) })
}

func testImport(t *testing.T, flag, database string) {
	code, out, errOut := runOrder(t, flag, database, "-import", sample)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "testdata/orders.csv: 40 rows, 21 invoices, -353.751 pounds\n21 of 21 invoices in ")
	require.Contains(t, out, `
  rows     pounds
    32    690.879  recorded
     0       0.00  known from an earlier import
     1      12.48  refused: no country (line 41)
     1       4.95  refused: no stock code (line 26)
     2  -1,062.06  refused: the price is not positive (lines 16, 23)
     4       0.00  refused: the quantity is not positive (lines 13, 25, 30, 36)
    40   -353.751  together
    40   -353.751  in the file
`+sampleReport)
	require.True(t, strings.HasSuffix(errOut, "21 of 21 invoices (100 %)\n"), errOut)

	t.Run("twice adds nothing", func(t *testing.T) {
		out := mustRun(t, flag, database, "-import", sample)
		require.Contains(t, out, "\n     0       0.00  recorded\n    32    690.879  known from an earlier import\n")
		require.True(t, strings.HasSuffix(out, sampleReport), out)
	})
	t.Run("and its report can be had again", func(t *testing.T) {
		require.Equal(t, sampleReport, mustRun(t, flag, database, "report"))
	})
	t.Run("and the read model built again", func(t *testing.T) {
		out := mustRun(t, flag, database, "replay")
		require.Contains(t, out, "The read model was thrown away at 690.879 pounds and built again from 49 positions of the log in ")
		require.True(t, strings.HasSuffix(out, sampleReport), out)
	})
	t.Run("and an order's history shown", func(t *testing.T) {
		out := mustRun(t, flag, database, "show", "C600015")
		require.Regexp(t, `^version  recorded             event +
1        \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  order.placed v1         12004, EIRE, on 2011-03-03 17:45:00
2        .{19}  order.line_returned v1  1 x 22423 CAKE STAND, THREE TIERS at 12.75
3        .{19}  order.line_returned v1  1 x D Discount at 5.00

order C600015 is open, at -17.75 pounds
$`, out)
	})
	t.Run("and an order that is not there is said to be missing", func(t *testing.T) {
		code, _, errOut := runOrder(t, flag, database, "show", "4711")
		require.Equal(t, 1, code)
		require.Equal(t, "order: there is no order 4711\n", errOut)
	})
}

// The file can be another one, so that a large one is gone through now and then: ORDER_FILE=... go test ./examples/order
func TestEveryRowOfAFileIsAccountedFor(t *testing.T) {
	file := sample
	if other := os.Getenv("ORDER_FILE"); other != "" {
		file = other
	}
	out := mustRun(t, "-import", file)
	together := lineWith(t, out, "together")
	inTheFile := lineWith(t, out, "in the file")
	require.Equal(t, strings.TrimSuffix(together, "together"), strings.TrimSuffix(inTheFile, "in the file"))
	recorded := strings.Fields(lineWith(t, out, "recorded"))[1]
	sums := strings.Fields(lineWith(t, out, "  all  "))
	require.Equal(t, recorded, sums[len(sums)-1])
}

func lineWith(t *testing.T, text, part string) string {
	t.Helper()
	found := ""
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = strings.TrimSuffix(line, "\n")
		}
	}
	require.NotEmpty(t, found, text)
	return found
}

// interrupter is a terminal at which somebody presses Ctrl-C after some lines.
type interrupter struct {
	left   int
	cancel context.CancelFunc
}

func (i *interrupter) Write(p []byte) (int, error) {
	if i.left--; i.left == 0 {
		i.cancel()
	}
	return len(p), nil
}

func TestAnInterruptedImportGoesOn(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	db := filepath.Join(t.TempDir(), "shop.db")
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		code := run(ctx, []string{"-db", db, "-import", sample}, &bytes.Buffer{}, &interrupter{1 + random.IntN(9), cancel})
		cancel()
		require.Equal(t, 1, code)
	}
	out := mustRun(t, "-db", db, "-import", sample)
	require.Contains(t, out, "\n    40   -353.751  together\n")
	require.True(t, strings.HasSuffix(out, sampleReport), out)
}

func TestInterruptedImportsSayHowToGoOn(t *testing.T) {
	for hint, args := range map[string][]string{
		"what was done is stored; run the same command again to go on":                  {"-db", filepath.Join(t.TempDir(), "shop.db"), "-import", sample},
		"nothing is kept of what was in memory; with -db PATH an import can be resumed": {"-import", sample},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var errOut bytes.Buffer
		code := run(ctx, args, &interrupter{2, cancel}, &errOut) // the second line is the one with the rate
		require.Equal(t, 1, code)
		require.Contains(t, errOut.String(), "order: interrupted: "+hint+"\n")
	}
}

func TestTheProgramSaysWhatIsWrong(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	broken := filepath.Join(t.TempDir(), "broken.csv")
	require.NoError(t, os.WriteFile(broken, []byte("InvoiceNo,StockCode\n1,2\n"), 0o600))

	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"sell", 2, `unknown command "sell"`},
		{"-fast", 2, "flag provided but not defined: -fast"},
		{"-db", 2, "flag needs an argument: -db"},
		{"-db x show", 2, "show needs the number of an order"},
		{"-db x forget", 2, "forget needs the number of a customer"},
		{"-db x show 1 2", 2, `"2" is too much: flags come before the command`},
		{"report -db x", 2, `"-db" is too much: flags come before the command`},
		{"replay", 2, "replay needs -db or -dsn: a new database in memory has nothing in it"},
		{"-dsn= -import y", 2, "-dsn is empty: give it a value or leave it out"},
		{"-db x -import=", 2, "-import is empty: give it a value or leave it out"},
		{"-db x -dsn y", 2, "-db and -dsn are two places to keep things in"},
		{"-db x -import y report", 2, "-import and report are two things to do"},
		{"-db " + missing + " report", 1, "nothing has been imported there: stat " + missing + ": no such file or directory"},
		{"-db " + missing + " -import " + missing, 1, "open " + missing + ": no such file or directory"},
		{"-db " + missing + " report", 1, "nothing has been imported there: stat " + missing + ": no such file or directory"},
		{"-import " + missing, 1, "open " + missing + ": no such file or directory"},
		{"-import " + broken, 1, broken + ": line 1: not the header of an order file: it lacks the columns " +
			"Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country"},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, out, errOut := runOrder(t, strings.Fields(c.args)...)
			require.Equal(t, c.code, code)
			require.Empty(t, out)
			require.Contains(t, errOut, "order: "+c.want+"\n")
			require.Equal(t, c.code == 2, strings.HasSuffix(errOut, "Run it with -h to see how it is used.\n"))
		})
	}
	t.Run("and how it is used", func(t *testing.T) {
		require.Equal(t, usage, mustRun(t, "-h"))
	})
}
