package projection

import (
	"math"
	"time"
)

// window is the time, in seconds, over which a meter looks back.
const window = 10

// meter measures a rate over the last seconds.
type meter struct {
	began  time.Time
	second int64         // since began, of the last add
	counts [window]int64 // of each second, at its number modulo window
}

func (m *meter) add(now time.Time, n int) {
	m.forward(now)
	m.counts[m.second%window] += int64(n)
}

// perSecond returns what was added per second.
func (m *meter) perSecond(now time.Time) float64 {
	m.forward(now)
	var sum int64
	for _, n := range m.counts {
		sum += n
	}
	full := now.Sub(m.began).Seconds() - float64(m.second) // of the second that has just begun
	seconds := float64(min(m.second, window-1)) + full
	return float64(sum) / math.Max(seconds, 1)
}

// forward empties the seconds that have gone by since the last call.
func (m *meter) forward(now time.Time) {
	if m.began.IsZero() {
		m.began = now
	}
	second := int64(now.Sub(m.began) / time.Second)
	for s := max(m.second+1, second-window+1); s <= second; s++ {
		m.counts[s%window] = 0
	}
	m.second = max(m.second, second)
}
