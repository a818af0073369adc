package projection

import (
	"log/slog"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Progress tells how far a projection has come that is behind the head. It counts positions of the global log, other
// projections' events among them, since its catching up began; new events make Total grow.
type Progress struct {
	Projection  string
	Version     int
	Partition   int           // which of its partitions, from 0
	Done, Total int64         // equal when it has caught up
	Rate        float64       // positions per second
	Left        time.Duration // until Done equals Total, at this rate
}

// progressInterval is how often a catch-up is mentioned in the log. A shorter one is not mentioned at all.
const progressInterval = 10 * time.Second

// catchUp is the way of a projection from where it was to the head.
type catchUp struct {
	log    *slog.Logger
	active bool
	from   int64
	began  time.Time
	logged time.Time
}

func (c *catchUp) start(position int64) {
	now := time.Now()
	c.active, c.from, c.began, c.logged = true, position, now, now
}

// advanced takes note of a batch. It returns what to report, if anything.
func (c *catchUp) advanced(page eventstore.Page) (p Progress, ok bool) {
	behind := page.Next < page.Head
	if !c.active {
		if behind {
			c.start(page.Next)
		}
		return Progress{}, false
	}
	p = c.progress(page)
	c.active = behind
	c.mention(p)
	return p, p.Total > 0
}

func (c *catchUp) progress(page eventstore.Page) Progress {
	p := Progress{Done: page.Next - c.from, Total: max(page.Head, page.Next) - c.from}
	if took := time.Since(c.began).Seconds(); took > 0 {
		p.Rate = float64(p.Done) / took
	}
	if p.Rate > 0 {
		p.Left = time.Duration(float64(p.Total-p.Done) / p.Rate * float64(time.Second))
	}
	return p
}

// mention keeps the log's reader informed about a catch-up that takes long.
func (c *catchUp) mention(p Progress) {
	now := time.Now()
	switch {
	case c.active && now.Sub(c.logged) >= progressInterval:
		c.logged = now
		c.log.Info("projection is catching up", "done", p.Done, "total", p.Total, "rate", int64(p.Rate),
			"left", p.Left.Round(time.Second))
	case !c.active && c.logged != c.began:
		c.log.Info("projection has caught up", "done", p.Done, "rate", int64(p.Rate),
			"took", now.Sub(c.began).Round(time.Millisecond))
	}
}
