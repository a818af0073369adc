package projection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-go/tidemark/eventstore"
)

// Projection is a name and the handlers of the events that it is made of. Set it up with New and On or OnBatch, then
// give it to NewRunner, which takes it as it is at that moment and reports every mistake.
type Projection struct {
	name     string
	opts     Options
	handlers []handler
	batches  []BatchHandler
}

// Options adjusts a Projection. The zero value works.
type Options struct {
	// Types names the events that an OnBatch handler gets, by their current names. Default: all that are registered.
	// Handlers of On bring their own types.
	Types []string
	// StreamTypes keeps only events of streams of one of these types. Default: all.
	StreamTypes []string
	// BatchSize is how many stored events are handled in one transaction at most. A projection that is up to date
	// takes what there is; one that catches up fills its batches. Default: 500, and up to 4,000 for one with handlers of
	// On alone, none of SideEffect, that is behind, as long as the driver has transactions that take less than 20
	// milliseconds.
	BatchSize int
	// Tries is how often an event is handed to its handler, once everything before it is committed, until Then follows.
	// Errors of the database that may pass don't count. Default: 10.
	Tries int
	// MinBackoff is the wait after the first failed try. It doubles with each one, up to MaxBackoff; the actual wait is
	// anything between half of that and all of it. Default: 100 milliseconds.
	MinBackoff time.Duration
	// MaxBackoff is the longest wait between two tries. Default: 30 seconds.
	MaxBackoff time.Duration
	// Then is what follows. Default: Stop.
	Then Action
	// Failures says it for each class of errors apart, where they are to be treated differently. Default: Tries,
	// MinBackoff, MaxBackoff and Then for all of them.
	Failures Policies
	// RebuildFailures is what Failures is, for a rebuild. Default: Failures.
	RebuildFailures *Policies
	// Partitions is how many parts the projection is cut into, by stream: each has a worker and a checkpoint of its own, and
	// the parts are spread over the processes that run the projection. The order is kept inside a stream; handlers are called
	// side by side for events of different ones. It may be changed at any time: the program that is started last gets its
	// way, without an event being left out or handled twice. Each part reads the whole log, so take some, not hundreds.
	// Default: as many as it has, which is 1 to begin with.
	Partitions int
	// From is where a projection begins that has never run. Default: the beginning of the log.
	From Start
	// OnRebuild, if set, runs in the transaction that begins a rebuild: the place to create the tables of the new version.
	OnRebuild func(ctx context.Context, version int) error
	// OnSwitch runs in the transaction that makes a rebuilt version the one that is in use: the place to have a view look at
	// the new version's table. If it fails, it is called again, ever after, and the old version stays in use. Rebuild
	// needs it, and a program without it leaves a version that is being built to others.
	OnSwitch func(ctx context.Context, from, to int) error
	// CheckpointInterval is how often the checkpoint is stored while nothing but other projections' events pass by.
	// Default: 1 second.
	CheckpointInterval time.Duration
}

// New returns a projection without handlers. Its name is what its checkpoint is stored under: a projection that is
// given another name starts from the beginning of the log.
func New(name string, opts *Options) *Projection {
	p := &Projection{name: name}
	if opts != nil {
		p.opts = *opts
	}
	return p
}

// label names the projection in messages about the ith argument of a function.
func (p *Projection) label(i int, of string) string {
	if p == nil || p.name == "" {
		return fmt.Sprintf("projection %d of %s", i+1, of)
	}
	return fmt.Sprintf("%.80q", p.name)
}

func (o Options) withDefaults() Options {
	o.BatchSize = cmp.Or(o.BatchSize, 500)
	o.Tries = cmp.Or(o.Tries, 10)
	o.MinBackoff = cmp.Or(o.MinBackoff, 100*time.Millisecond)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, max(30*time.Second, o.MinBackoff))
	o.CheckpointInterval = cmp.Or(o.CheckpointInterval, time.Second)
	o.Then = cmp.Or(o.Then, Stop)
	o.RebuildFailures = cmp.Or(o.RebuildFailures, &o.Failures)
	return o
}

// check is called on options that have their defaults.
func (o Options) check() mistakes {
	var m mistakes
	m.add(o.BatchSize < 0, "the option BatchSize is negative: %d", o.BatchSize)
	m.add(o.Partitions < 0 || o.Partitions > maxPartitions, "the option Partitions is %d; 1 to %d are possible", o.Partitions,
		maxPartitions)
	m.add(o.CheckpointInterval < 0, "the option CheckpointInterval is negative: %v", o.CheckpointInterval)
	m = append(m, checkStreamTypes(o.StreamTypes)...)
	whole := Policy{Tries: o.Tries, MinBackoff: o.MinBackoff, MaxBackoff: o.MaxBackoff, Then: o.Then}
	m = append(append(m, whole.check("")...), o.Failures.check("Failures.")...)
	if *o.RebuildFailures != o.Failures {
		m = append(m, o.RebuildFailures.check("RebuildFailures.")...)
	}
	return m
}

// checkStreamTypes asks the store's own rules.
func checkStreamTypes(types []string) mistakes {
	var m mistakes
	for _, name := range types {
		stream, err := eventstore.ParseStreamID(name + "-id")
		m.add(err != nil, "the option StreamTypes: %w", err)
		m.add(err == nil && stream.Type != name, "the option StreamTypes: stream type %.80q contains a hyphen, and no stream has "+
			"such a type", name)
	}
	return m
}

// maxName is the longest name of a projection, in bytes: what is stored of it has names that are a little longer.
const maxName = 220

const maxPartitions = 1000

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("it has no name, and its checkpoint is stored under its name")
	case len(name) > maxName:
		return fmt.Errorf("its name is %d bytes long; %d are allowed", len(name), maxName)
	case !utf8.ValidString(name):
		return errors.New("its name is not valid UTF-8")
	case strings.ContainsRune(name, 0):
		return errors.New("its name contains a NUL character")
	case strings.Contains(name, "@"):
		return errors.New("its name contains an @, which separates it from what else is stored of it")
	default:
		return nil
	}
}
