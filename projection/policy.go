package projection

import (
	"cmp"
	"time"
)

// Action is what follows when an event has been tried as often as its policy says.
type Action string

// The actions.
const (
	// Stop ends the projection, or the partition that the event belongs to, at the event. It is the default.
	Stop Action = "stop"
	// Skip leaves the event out for good, and records it: Runner.Skipped lists what was left out.
	Skip Action = "skip"
	// Park sets the event aside, and with it the later ones of its stream, so that their order is kept. All other streams
	// go on. Runner.Parked lists the streams, Runner.Retry handles their events, in order, when what was wrong is mended,
	// and Runner.Drop gives up the first of them.
	Park Action = "park"
)

// Policy says what is done about an event that can't be handled. Fields that are zero are as in the Options.
type Policy struct {
	Tries      int
	MinBackoff time.Duration
	MaxBackoff time.Duration
	Then       Action
}

// Policies has a policy for each class of errors.
type Policies struct {
	Handler  Policy // the handler returned an error or panicked, or the database refused what it had written
	Decoding Policy // the payload could not be decoded, or an upcaster failed
	Unknown  Policy // the event's schema version is not registered: a later release has written it
}

// class is a class of errors.
type class int

const (
	handling class = iota
	decoding
	unknown
)

// policy returns the policy for a class of errors, on options that have their defaults.
func (o *Options) policy(c class) Policy {
	own := [...]Policy{handling: o.Failures.Handler, decoding: o.Failures.Decoding, unknown: o.Failures.Unknown}[c]
	p := Policy{Tries: cmp.Or(own.Tries, o.Tries), MinBackoff: cmp.Or(own.MinBackoff, o.MinBackoff),
		MaxBackoff: cmp.Or(own.MaxBackoff, o.MaxBackoff), Then: cmp.Or(own.Then, o.Then)}
	p.MaxBackoff = max(p.MaxBackoff, p.MinBackoff)
	return p
}

func (p Policy) check(of string) mistakes {
	var m mistakes
	m.add(p.Tries < 0, "the option %sTries is negative: %d", of, p.Tries)
	m.add(p.MinBackoff < 0, "the option %sMinBackoff is negative: %v", of, p.MinBackoff)
	m.add(p.MaxBackoff != 0 && p.MaxBackoff < p.MinBackoff, "the option %sMaxBackoff is %v, shorter than MinBackoff, %v", of,
		p.MaxBackoff, p.MinBackoff)
	m.add(p.Then != "" && p.Then != Stop && p.Then != Skip && p.Then != Park, "the option %sThen is %q: it can be Stop, Skip or "+
		"Park", of, p.Then)
	return m
}

func (p *Policies) check(of string) mistakes {
	m := append(p.Handler.check(of+"Handler."), p.Decoding.check(of+"Decoding.")...)
	return append(m, p.Unknown.check(of+"Unknown.")...)
}
