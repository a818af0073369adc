package postgres

import (
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/internal/torture"
)

// What mark.go says of the tide mark is checked here by machine, on a model: two or three transactions, somebody who asks for
// the mark again and again, a reader of rows, and a server that may crash once, in every order in which their steps can come.

// sea is a state of the model. A set of positions has a bit for each.
type sea struct {
	at      [processes]int8 // how far each process has come in its program
	last    int8            // the sequence's last value
	bound   [writers]int8   // read by a writer, and in its lock's key
	locked  [writers]bool
	mine    [writers]positions // that a transaction has stored and not committed
	visible positions

	seen positions // the snapshot of who asks for the mark
	low  int8      // the lowest bound he has found
	mark int8      // the highest that was found out

	next   int8      // the reader has come so far
	handed positions // what he was given
}

const (
	writers   = 3
	asks      = writers // the processes behind the writers
	reads     = asks + 1
	crashes   = reads + 1
	processes = crashes + 1
)

type positions uint32

func upTo(p int8) positions { return 1<<(p+1) - 1 }

func (s positions) highest() int8 { return int8(max(bits.Len32(uint32(s))-1, 0)) }

// step is what a process does at once, and all that can come of it.
type step struct {
	name string
	do   func(s sea, who int) []sea
}

// sure makes a step of what comes out in one way.
func sure(name string, do func(s *sea, who int)) step {
	return step{name, func(s sea, who int) []sea { do(&s, who); return []sea{s} }}
}

var (
	readsBound = sure("reads its bound", func(s *sea, w int) { s.bound[w] = s.last })
	takesLock  = sure("takes its lock", func(s *sea, w int) { s.locked[w] = true })
	stores     = sure("takes a position and stores an event", func(s *sea, w int) { s.last++; s.mine[w] |= 1 << s.last })
	letsGo     = sure("lets its lock go", func(s *sea, w int) { s.locked[w] = false })
	// A savepoint takes back what was stored after it, with the locks that were taken.
	goesBack = sure("goes back to its savepoint", func(s *sea, w int) { s.mine[w], s.locked[w] = 0, false })
	ends     = step{"commits or rolls back", func(s sea, w int) []sea {
		committed := s
		committed.visible |= s.mine[w]
		committed.mine[w], s.mine[w] = 0, 0
		return []sea{committed, s}
	}}

	takesSnapshot = sure("takes its snapshot", func(s *sea, _ int) { s.seen = s.visible })
	scansLocks    = sure("scans the locks", func(s *sea, _ int) {
		s.low = 31
		for w := range writers {
			if s.locked[w] {
				s.low = min(s.low, s.bound[w])
			}
		}
	})
	findsMark = sure("finds the mark", func(s *sea, _ int) { s.mark = max(s.mark, (s.seen & upTo(min(s.low, 30))).highest()) })

	readsRows = sure("reads the rows up to the mark", func(s *sea, _ int) { s.hand(s.visible) })

	// Those who were at work are gone with all that they had not committed. The sequence is where the log on disk has it: not
	// behind what was committed, perhaps behind what was not, perhaps ahead.
	crash = step{"crashes and is started again", func(s sea, _ int) []sea {
		for w := range writers {
			s.mine[w], s.locked[w] = 0, false
			if s.at[w] > 0 {
				s.at[w] = gone
			}
		}
		s.at[asks], s.seen, s.low = 0, 0, 0
		var all []sea
		for last := s.visible.highest(); last <= s.last+1; last++ {
			again := s
			again.last = last
			all = append(all, again)
		}
		return all
	}}
)

const gone = 100

// hand gives the reader the rows of a snapshot up to the mark.
func (s *sea) hand(snapshot positions) {
	s.handed |= snapshot & upTo(s.mark) &^ upTo(s.next)
	s.next = max(s.next, s.mark)
}

// protocol is a program for each kind of process. Those of asking and reading begin again at their end.
type protocol struct {
	single, double, savepoint []step // writers, of one append, of two, and of one before and one after it went back
	asks, reads               []step
	crash                     []step
}

func soundProtocol() protocol {
	return protocol{
		single:    []step{readsBound, takesLock, stores, ends, letsGo},
		double:    []step{readsBound, takesLock, stores, stores, ends, letsGo},
		savepoint: []step{readsBound, takesLock, stores, goesBack, readsBound, takesLock, stores, ends, letsGo},
		asks:      []step{takesSnapshot, scansLocks, findsMark},
		reads:     []step{readsRows},
		crash:     []step{crash},
	}
}

// with has up to three writers write.
func (p *protocol) with(writers ...[]step) [processes][]step {
	programs := [processes][]step{asks: p.asks, reads: p.reads, crashes: p.crash}
	copy(programs[:], writers)
	return programs
}

// pairs has every two of the writers write.
func (p *protocol) pairs() [][processes][]step {
	return [][processes][]step{p.with(p.single, p.double), p.with(p.single, p.savepoint), p.with(p.double, p.savepoint)}
}

// ways is all that can come of the programs.
type ways struct {
	programs [processes][]step
	found    []found // those that take fewer steps come first
	known    map[sea]bool
}

// found is a state, and how it was reached: by a step of who, from another state.
type found struct {
	sea
	from int
	who  int8
}

// explore visits every state until visit returns false. It returns how many were found.
func explore(programs [processes][]step, visit func(w *ways, i int) bool) int {
	w := &ways{programs: programs, found: make([]found, 1), known: map[sea]bool{{}: true}}
	for i := 0; i < len(w.found) && visit(w, i); i++ {
		for who := range processes {
			w.follow(i, who)
		}
	}
	return len(w.found)
}

// follow adds what a process can do next.
func (w *ways) follow(i, who int) {
	s, program := w.found[i].sea, w.programs[who]
	if int(s.at[who]) >= len(program) {
		return
	}
	st := program[s.at[who]]
	if s.at[who]++; (who == asks || who == reads) && int(s.at[who]) == len(program) {
		s.at[who] = 0
	}
	for _, after := range st.do(s, who) {
		if !w.known[after] {
			w.known[after] = true
			w.found = append(w.found, found{after, i, int8(who)})
		}
	}
}

// to tells a shortest way to a state.
func (w *ways) to(i int) string {
	var steps []string
	for ; i > 0; i = w.found[i].from {
		who := w.found[i].who
		st := w.programs[who][w.found[w.found[i].from].at[who]]
		steps = append(steps, [...]string{"writer 1", "writer 2", "writer 3", "who asks", "the reader", "the server"}[who]+" "+st.name)
	}
	slices.Reverse(steps)
	return strings.Join(steps, "\n")
}

// idle reports whether all who have begun to write have ended, and nobody is asking.
func (w *ways) idle(s *sea) bool {
	for writer := range writers {
		if s.at[writer] > 0 && int(s.at[writer]) < len(w.programs[writer]) {
			return false
		}
	}
	return s.at[asks] == 0
}

// missed reports whether the reader has passed over what is visible now.
func (s *sea) missed() bool { return s.visible&upTo(s.next)&^s.handed != 0 }

// loss tells how the reader can be made to pass over an event; "" if he can't.
func loss(programs [processes][]step) (how string) {
	explore(programs, func(w *ways, i int) bool {
		if w.found[i].missed() {
			how = w.to(i)
		}
		return how == ""
	})
	return how
}

// Besides, once all have ended who write, whoever asks then and reads is handed everything. Three writers make a million
// states: that is for a torture.
func TestTheTideMarkSkipsNothingAndStallsForNobodyInAnyOrderOfItsSteps(t *testing.T) {
	t.Parallel()
	p := soundProtocol()
	all := p.pairs()
	if torture.Long() {
		all = append(all, p.with(p.single, p.single, p.double))
	}
	for _, programs := range all {
		states := explore(programs, func(w *ways, i int) bool {
			s := w.found[i].sea
			require.False(t, s.missed(), "%v", w.to(i))
			if w.idle(&s) {
				for _, st := range slices.Concat(p.asks, p.reads) {
					s = st.do(s, 0)[0]
				}
				require.Equal(t, s.visible, s.handed)
			}
			return true
		})
		t.Logf("%d states", states)
	}
}

// Each part of the protocol is there for a reason: without it there is a way to pass over an event.
func TestTheTideMarkIsWrongWithoutAnyPartOfIt(t *testing.T) {
	ignoresLocks := sure("ignores the locks", func(s *sea, _ int) { s.low = 31 })
	readsAhead := sure("reads a bound that is logged ahead", func(s *sea, w int) { s.bound[w] = s.last + 2 })
	looksAtSequence := sure("takes the sequence's last value for what is visible", func(s *sea, _ int) { s.seen = upTo(s.last) })
	findsAndReads := sure("finds the mark, and reads the rows up to it in the same statement", func(s *sea, w int) {
		*s = findsMark.do(*s, w)[0]
		s.hand(s.seen)
	})
	for name, spoil := range map[string]func(p *protocol){
		"no lock counts":                    func(p *protocol) { p.asks = []step{takesSnapshot, ignoresLocks, findsMark} },
		"a position is taken before a lock": func(p *protocol) { p.single = []step{readsBound, stores, takesLock, ends, letsGo} },
		"a position is taken before the bound is read": func(p *protocol) {
			p.single = []step{stores, readsBound, takesLock, ends, letsGo}
		},
		"the lock is let go before the end":         func(p *protocol) { p.single = []step{readsBound, takesLock, stores, letsGo, ends} },
		"the bound is too high":                     func(p *protocol) { p.single = []step{readsAhead, takesLock, stores, ends, letsGo} },
		"the locks are scanned before the snapshot": func(p *protocol) { p.asks = []step{scansLocks, takesSnapshot, findsMark} },
		"the rows are read in the same statement": func(p *protocol) {
			p.asks, p.reads = []step{takesSnapshot, scansLocks, findsAndReads}, nil
		},
		"a lock is believed to be there that a savepoint took back": func(p *protocol) {
			p.savepoint = []step{readsBound, takesLock, stores, goesBack, stores, ends, letsGo}
		},
		"the mark is the sequence's last value, and the server crashes": func(p *protocol) {
			p.asks = []step{looksAtSequence, scansLocks, findsMark}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := soundProtocol()
			spoil(&p)
			for _, programs := range p.pairs() {
				if how := loss(programs); how != "" {
					t.Log(how)
					return
				}
			}
			t.Fatal("no way is found")
		})
	}
	t.Run("but not that the mark is the sequence's last value, if the server never crashes", func(t *testing.T) {
		t.Parallel()
		p := soundProtocol()
		p.asks, p.crash = []step{looksAtSequence, scansLocks, findsMark}, nil
		for _, programs := range p.pairs() {
			require.Empty(t, loss(programs))
		}
	})
}
