package drivertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// clause is one promise of the contract. Clauses that have a number in the contract bear it; those that only the driver
// interface states bear the interface's name.
type clause struct {
	id, text string
	cases    []testCase
}

// testCase checks one consequence of a clause on an empty database of its own.
type testCase struct {
	name  string
	needs []need
	run   func(p *probe)
}

func clauses() []clause {
	return slices.Concat(
		appendClauses(),
		readClauses(),
		logClauses(),
		batchClauses(),
		transactionClauses(),
		stateClauses(),
		[]clause{store()},
	)
}

// need is what a case can't do without.
type need string

const (
	batcher      need = "driver.BatchCommitter"
	waiter       need = "driver.Waiter"
	snapshotter  need = "driver.Snapshotter"
	tailReader   need = "driver.TailReader"
	checkpointer need = "driver.Checkpointer"
	leaser       need = "driver.Leaser"
	deadLetterer need = "driver.DeadLetterer"
	keeper       need = "driver.KeyStore"
	transactor   need = "driver.Transactor"
	migrator     need = "driver.Migrator"
	reopen       need = "Database.Reopen"
	restore      need = "Database.Restore"
	damage       need = "Database.Damage"
	disconnect   need = "Database.Disconnect"
	manyWriters  need = "a database without OneWriter"
	connections  need = "a database without OneConnection"
)

func (n need) metBy(db *Database) (ok bool) {
	switch n {
	case batcher:
		_, ok = db.Store.(driver.BatchCommitter)
	case waiter:
		_, ok = db.Store.(driver.Waiter)
	case snapshotter:
		_, ok = db.Store.(driver.Snapshotter)
	case tailReader:
		_, ok = db.Store.(driver.TailReader)
	case checkpointer:
		_, ok = db.Store.(driver.Checkpointer)
	case leaser:
		_, ok = db.Store.(driver.Leaser)
	case keeper:
		_, ok = db.Store.(driver.KeyStore)
	case deadLetterer:
		_, ok = db.Store.(driver.DeadLetterer)
	case transactor:
		_, ok = db.Store.(driver.Transactor)
	case migrator:
		_, ok = db.Store.(driver.Migrator)
	case reopen:
		ok = db.Reopen != nil
	case restore:
		ok = db.Restore != nil
	case damage:
		ok = db.Damage != nil
	case disconnect:
		ok = db.Disconnect != nil
	case manyWriters:
		ok = !db.OneWriter && !db.OneConnection
	case connections:
		ok = !db.OneConnection
	}
	return ok
}

// needs counts the cases that were not applicable, by what they need.
type needs struct {
	mu     sync.Mutex
	counts map[need]int
}

func (n *needs) add(one need) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counts == nil {
		n.counts = make(map[need]int)
	}
	n.counts[one]++
}

func (n *needs) summary() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.counts) == 0 {
		return "all cases were applicable"
	}
	var list []string
	for _, one := range slices.Sorted(maps.Keys(n.counts)) {
		list = append(list, fmt.Sprintf("%d need %s", n.counts[one], one))
	}
	return "cases not applicable: " + strings.Join(list, ", ")
}

// check runs one case. It returns the need that was not met, in which case nothing was checked, or a *Failure.
func (c *clause) check(ctx context.Context, open Opener, one testCase, patience time.Duration) (need, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := newProbe(ctx, open, patience)
	if err != nil {
		return "", c.failure(one, err)
	}
	for _, n := range one.needs {
		if !n.metBy(p.db) {
			return n, c.failure(one, p.close())
		}
	}
	err = p.run(one.run)
	if closing := p.close(); err == nil {
		err = closing
	}
	return "", c.failure(one, err)
}

// has reports whether this is the name of the clause or of one of its cases.
func (c *clause) has(name string) bool {
	return name == c.id || slices.ContainsFunc(c.cases, func(one testCase) bool { return name == c.id+"/"+one.name })
}

func (c *clause) failure(one testCase, err error) error {
	if err == nil {
		return nil
	}
	return &Failure{Clause: c.id, Text: c.text, Case: one.name, Err: err}
}
