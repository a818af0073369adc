package privacy

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps the rings that were used last, each for a while.
type cache struct {
	size int
	life time.Duration

	mu      sync.Mutex
	entries map[string]*list.Element // of *entry, by subject
	used    *list.List               // the one used last comes first
	// epoch counts the drops. A ring that was loaded before a drop and comes after it may be the dropped one's.
	epoch uint64
}

type entry struct {
	ring  *ring
	until time.Time
}

func newCache(size int, life time.Duration) *cache {
	return &cache{size: size, life: life, entries: map[string]*list.Element{}, used: list.New()}
}

// get returns the ring of each subject that is there, and which are not. epoch is for put.
func (c *cache) get(subjects map[string]bool, now time.Time) (rings map[string]*ring, missing []string, epoch uint64) {
	rings = make(map[string]*ring, len(subjects))
	c.mu.Lock()
	defer c.mu.Unlock()
	for subject := range subjects {
		e, ok := c.entries[subject]
		if !ok || !now.Before(e.Value.(*entry).until) {
			missing = append(missing, subject)
			continue
		}
		c.used.MoveToFront(e)
		rings[subject] = e.Value.(*entry).ring
	}
	return rings, missing, c.epoch
}

// put takes rings in that were asked for at a time, unless something was dropped since the epoch.
func (c *cache) put(rings map[string]*ring, at time.Time, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	for subject, r := range rings {
		if e, ok := c.entries[subject]; ok {
			c.used.Remove(e)
		}
		c.entries[subject] = c.used.PushFront(&entry{ring: r, until: at.Add(c.life)})
	}
	for c.used.Len() > c.size {
		delete(c.entries, c.used.Remove(c.used.Back()).(*entry).ring.subject)
	}
}

// drop has a subject's ring loaded anew the next time.
func (c *cache) drop(subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	if e, ok := c.entries[subject]; ok {
		c.used.Remove(e)
		delete(c.entries, subject)
	}
}
