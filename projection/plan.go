package projection

import (
	"fmt"
	"maps"
	"slices"
)

// plan is what follows from the rows for a runner.
type plan struct {
	rs      roster
	docs    map[string]control
	should  map[string]bool // the rows that this runner should own
	members []member
	alone   bool // no other runner is alive
	stopped bool // every partition of this runner's projections has been given up, here or elsewhere
}

// plan reckons with every projection that any member runs: what others have to do counts when work is shared.
func (o *ownership) plan(rs roster) (plan, error) {
	members, me := o.members(rs)
	o.elsewhere = map[string]stop{}
	p := plan{rs: rs, members: members, alone: len(members) == 1, docs: map[string]control{}, stopped: true}
	var parts []part
	for _, name := range names(members) {
		doc, err := rs.control(name)
		f := o.feed(name)
		if err != nil && f == nil {
			continue
		}
		if err != nil {
			return plan{}, fmt.Errorf("%q: %w", name, err)
		}
		p.docs[name] = doc
		open := o.open(rs, name, doc)
		parts = append(parts, open...)
		if f != nil {
			o.show(f, rs, doc)
			working := slices.ContainsFunc(open, func(p part) bool { return !f.leaves(p, doc) })
			p.stopped = p.stopped && !working && len(doc.open(name)) > 0
		}
	}
	p.should = rs.spread(me, members, parts, func(p part) bool { return o.old[p.row()] != "" })
	o.leaveOut(p)
	return p, nil
}

// leaveOut takes from a plan the versions that are being built by others.
func (o *ownership) leaveOut(p plan) {
	for _, f := range o.feeds {
		doc := p.docs[f.name]
		for _, each := range doc.parts(f.name) {
			if f.leaves(each, doc) {
				delete(p.should, each.row())
			}
		}
	}
}

// leaves reports whether a partition is of a version that this program leaves to others to build.
func (f *feed) leaves(p part, doc control) bool {
	return !f.rebuilds() && p.layout.Version != doc.Live.Version
}

// members returns the runners that are alive, and which of them this one is.
func (o *ownership) members(rs roster) (members []member, me int) {
	members = rs.members()
	me = slices.IndexFunc(members, func(m member) bool { return m.owner == o.owner })
	if me < 0 {
		me = len(members)
		members = append(members, member{owner: o.owner, runs: map[string]bool{}})
	}
	for _, f := range o.feeds {
		members[me].runs[f.name] = true
	}
	return members, me
}

func names(members []member) []string {
	all := map[string]bool{}
	for _, m := range members {
		maps.Copy(all, m.runs)
	}
	return slices.Sorted(maps.Keys(all))
}

// open returns the partitions that are to be worked on and have not been given up.
func (o *ownership) open(rs roster, name string, doc control) []part {
	return slices.DeleteFunc(doc.open(name), func(p part) bool { return o.stopped(rs, p, doc) })
}

// stopped reports whether a partition has been given up, so that this runner leaves it alone until the projection is
// resumed. What was given up before this Run is tried again.
func (o *ownership) stopped(rs roster, p part, doc control) bool {
	row := p.row()
	if owner := rs.owner(row); owner != "" && owner != o.owner {
		delete(o.stops, row) // somebody tries again
		return false
	}
	if s, ok := o.stops[row]; ok && s.resumed == doc.Resumed {
		return true
	}
	delete(o.stops, row)
	n := rs.note(p)
	if n.Stop == nil || n.Stop.Resumed != doc.Resumed || o.old[row] == n.Stop.ID {
		return false
	}
	if f := o.feed(p.projection); f != nil {
		err := n.stopped(f.name)
		gauge{&f.board, row}.stopped(err, doc.Resumed)
		o.elsewhere[row] = stop{f, err, doc.Resumed}
	}
	return true
}

// show puts the document on the board if it is news.
func (o *ownership) show(f *feed, rs roster, doc control) {
	state := string(rs.rows[controlRow(f.name)].State)
	if shown, ok := o.shown[f.name]; !ok || shown != state {
		o.shown[f.name] = state
		if r := doc.Rebuild; r != nil && !f.rebuilds() {
			f.log.Warn("projection has a version that is being built, which this program leaves to others: it has no OnSwitch",
				"version", r.Layout.Version)
		}
		f.board.saw(f.name, doc)
		for _, h := range o.held {
			if h.feed == f {
				h.worker.inbox.deliver(doc.terms(h.part.layout))
			}
		}
	}
}
