package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tidemark-go/tidemark/examples/order/order"
)

// progress shows how far a long piece of work has come: as a bar on a terminal, as a line every tenth of the way in a
// log.
type progress struct {
	out   io.Writer
	total int
	bar   *progressbar.ProgressBar
	tenth int // that was printed last
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("invoices"),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("invoices"),
			progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	stat, err := f.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}

func (p *progress) show(done int) {
	if p.bar != nil {
		_ = p.bar.Set(done) // it can only fail to write
		return
	}
	if tenth := 10 * done / p.total; tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.out, "%s of %s invoices (%d %%)\n", order.Thousands(done), order.Thousands(p.total), 10*tenth)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
