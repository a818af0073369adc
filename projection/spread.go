package projection

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Runners find out about each other from the rows. A runner that owns something shows in it; one that owns nothing, and
// one that shares projections with others, owns a row of presence too, named @ and the lowest number that is free. All
// of them reckon from the same rows which partition should be whose, so they need not talk to each other: an owner gives
// up what is meant for another one, and takes what is meant for itself when it is free. If they read the rows at
// different moments they disagree for a poll or two; a partition has one owner all the same.

const presencePrefix = "@"

func presenceRow(n int) string { return fmt.Sprint(presencePrefix, n) }

// presence is the document in a row of presence.
type presence struct {
	Projections []string `json:"projections"` // that its owner runs
}

// member is a runner that is alive.
type member struct {
	owner string
	runs  map[string]bool // by projection
}

// stake is a partition and who may own it.
type stake struct {
	row    string
	may    []int // members, by index
	holder int   // the one that owns it or should; -1 for none yet
}

// members returns the runners that are alive, in an order that all of them agree on.
func (rs roster) members() []member {
	alive := map[string]*member{}
	for name, l := range rs.rows {
		owner := rs.owner(name)
		if owner == "" {
			continue
		}
		m := alive[owner]
		if m == nil {
			m = &member{owner: owner, runs: map[string]bool{}}
			alive[owner] = m
		}
		m.learn(l)
	}
	all := make([]member, 0, len(alive))
	for _, m := range alive {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.owner, b.owner) })
	return all
}

// learn takes from a row that a member owns which projections it runs.
func (m *member) learn(l eventstore.Lease) {
	projection, _, _ := strings.Cut(l.Name, "@")
	if projection != "" {
		m.runs[projection] = true
		return
	}
	var p presence
	if json.Unmarshal(l.State, &p) == nil { // if not, what it owns tells
		for _, name := range p.Projections {
			m.runs[name] = true
		}
	}
}

// spread returns the rows that the member me should own. mine tells those that no other member would take.
func (rs roster) spread(me int, members []member, parts []part, mine func(p part) bool) map[string]bool {
	stakes := make([]stake, 0, len(parts))
	for _, p := range parts {
		s := rs.stake(p, members)
		if s.holder < 0 && mine(p) {
			s.may, s.holder = []int{me}, me
		}
		if len(s.may) > 0 {
			stakes = append(stakes, s)
		}
	}
	balance(stakes, len(members))
	should := map[string]bool{}
	for _, s := range stakes {
		if s.holder == me {
			should[s.row] = true
		}
	}
	return should
}

func (rs roster) stake(p part, members []member) stake {
	s := stake{row: p.row(), holder: -1}
	owner := rs.owner(s.row)
	for i, m := range members {
		if m.runs[p.projection] {
			s.may = append(s.may, i)
		}
		if m.owner == owner {
			s.holder = i
		}
	}
	return s
}

// balance gives each stake a holder. As few as possible change theirs, and in the end nobody could take one from a member
// that has at least two more.
func balance(stakes []stake, members int) {
	load := make([]int, members)
	least := func(s stake) int {
		return slices.MinFunc(s.may, func(a, b int) int { return load[a] - load[b] })
	}
	for _, s := range stakes {
		if s.holder >= 0 {
			load[s.holder]++
		}
	}
	for i := range stakes {
		if s := &stakes[i]; s.holder < 0 {
			s.holder = least(*s)
			load[s.holder]++
		}
	}
	for {
		s, to := steepest(stakes, load, least)
		if s == nil {
			return
		}
		load[s.holder]--
		load[to]++
		s.holder = to
	}
}

// steepest returns the stake between whose holder and the member that could take it the gap is widest, if that is two or
// more. Those who have no more than their share are thus left alone.
func steepest(stakes []stake, load []int, least func(stake) int) (s *stake, to int) {
	most := 1
	for i := range stakes {
		taker := least(stakes[i])
		if gap := load[stakes[i].holder] - load[taker]; gap > most {
			s, to, most = &stakes[i], taker, gap
		}
	}
	return s, to
}
