package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// group is the results that share a chapter and a picture.
type group struct {
	prefix  string // of their contests' names
	title   string
	results []*result
}

// groups sorts the results into chapters, in the order of the contests.
func (b *bench) groups() []group {
	var list []group
	for _, r := range b.results {
		prefix := chapter(r.name)
		i := slices.IndexFunc(list, func(g group) bool { return g.prefix == prefix })
		if i < 0 {
			title, _, _ := strings.Cut(r.title, ",")
			list = append(list, group{prefix: prefix, title: chapterTitle(prefix, title)})
			i = len(list) - 1
		}
		list[i].results = append(list[i].results, r)
	}
	return list
}

// chapter cuts a contest's name down: of postgres/append-1/64 it leaves postgres/append.
func chapter(name string) string {
	dbms, rest, _ := strings.Cut(name, "/")
	return dbms + "/" + rest[:strings.IndexAny(rest+"-", "-/")]
}

func chapterTitle(prefix, fallback string) string {
	dbms, what, _ := strings.Cut(prefix, "/")
	titles := map[string]string{"append": "append", "load": "load an aggregate", "read": "read the log",
		"project": "projections", "latency": "from the append to the handler", "growth": "growth",
		"loss": "events lost by a checkpointing reader", "import": "import of real orders"}
	if t, ok := titles[what]; ok {
		return title(dbms) + ": " + t
	}
	return fallback
}

// draw writes the picture, a group of bars for each contest, and returns its file name. Where the contests don't share a
// unit there is none.
func (g group) draw(dir string) (string, error) {
	names := g.entrants()
	for _, r := range g.results {
		if r.unit != g.results[0].unit {
			return "", nil
		}
	}
	p := plot.New()
	p.Title.Text = g.title
	p.Y.Label.Text = g.results[0].unit
	p.Y.Min = 0
	p.Legend.Top = true
	p.Legend.Left = true
	p.Add(plotter.NewGrid())
	width := vg.Points(max(6, 60/float64(len(names))))
	for i, name := range names {
		bars, err := plotter.NewBarChart(g.medians(name), width)
		if err != nil {
			return "", err
		}
		bars.Color = barColor(i)
		bars.LineStyle.Width = 0
		bars.Offset = width * vg.Length(float64(i)-float64(len(names)-1)/2)
		p.Add(bars)
		p.Legend.Add(name, bars)
	}
	p.NominalX(g.labels()...)
	p.Y.Max *= 1.1 + 0.08*float64(len(names)) // the legend stands above the bars
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := strings.ReplaceAll(g.prefix, "/", "-") + ".svg"
	return file, p.Save(vg.Points(160+110*float64(len(g.results))), vg.Points(320), filepath.Join(dir, file))
}

func barColor(i int) color.Color {
	if i == 0 {
		return color.RGBA{R: 0x0b, G: 0x5f, B: 0xa5, A: 0xff} // Tidemark's
	}
	return plotutil.SoftColors[i%len(plotutil.SoftColors)]
}

// entrants are all names, Tidemark first.
func (g group) entrants() []string {
	var names []string
	for _, r := range g.results {
		for _, e := range r.entrants {
			if !slices.Contains(names, e.name) {
				names = append(names, e.name)
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

func rank(name string) int {
	if name == nameTidemark {
		return 0
	}
	return 1
}

// medians are the heights of an entrant's bars; of a contest that it took no part in, zero.
func (g group) medians(name string) plotter.Values {
	list := make(plotter.Values, len(g.results))
	for i, r := range g.results {
		list[i] = spreadOf(values(r.find(name))).median
	}
	return list
}

func (g group) labels() []string {
	var list []string
	for _, r := range g.results {
		label := strings.TrimPrefix(r.title, title(strings.Split(r.name, "/")[0])+": ")
		list = append(list, fmt.Sprintf("%.34s", label))
	}
	return list
}
