package serializer

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// CheckOptions change what Check does. The zero value and nil mean the defaults.
type CheckOptions struct {
	// Dir holds the samples, one a file. Default: "testdata/samples" in the directory of the package that is tested.
	Dir string
	// Samples are values of registered types, at most one of each, for the types whose samples can't be made up: those
	// that refuse made-up values when they are read, and messages without exported fields. Change such a value as you
	// would change what is released: not at all. Default: all are made up, with a value in every field.
	Samples []any
	// Upcast carries a sample forward as the event store does with what it reads; eventstore.UpcastSample makes one of a
	// registry and a chain. Default: samples stay as they are.
	Upcast func(Sample) ([]Encoded, error)
	// Since says of names that were never stored at version 1 at which one they began. Default: 1 for each.
	Since map[string]int
}

// Sample is a payload as it was stored, and what upcasters may look at besides.
type Sample struct {
	Encoded
	Metadata   map[string]string
	Tags       []string
	RecordedAt time.Time
}

// Check finds out, in a test, whether everything that was ever stored can still be read. It keeps a sample of every
// schema version of every registered type in a file, and returns an error for each of these mistakes:
//
//   - A schema version up to the registered one has no sample.
//   - A sample, of whichever version, can't be carried forward and decoded.
//   - A type is written otherwise than its samples have it, but under the same version: its struct has changed.
//   - A sample of the registered version loses something when it is decoded and written again.
//
// Numbers are compared by their decimal values: a float64 loses something of 12345678901234567.89.
//
// The error says what has changed, and what to do. A test is a line:
//
//	require.NoError(t, serializer.Check(reg, &serializer.CheckOptions{Upcast: eventstore.UpcastSample(reg, chain)}))
//
// A sample that is there is never written over nor removed. New ones are written if the environment variable
// TIDEMARK_SAMPLES is set: by "new" where a registered version has none; by "compatible" besides where a struct has got
// fields that older payloads do well without, as another sample of the same version. Commit them with the change.
//
// Other payloads, such as copies from a database, can be added as files of any name that ends with ".json".
//
// Codecs that can't decode into an any, as those of generated messages, are checked by the values that they decode. What
// such a codec leaves out without an error goes unnoticed.
func Check(reg *Registry, opts *CheckOptions) error {
	if err := reg.Err(); err != nil {
		return err
	}
	c, err := newCheck(reg, cmp.Or(opts, &CheckOptions{}))
	if err != nil {
		return err
	}
	for _, e := range c.entries {
		c.add(c.versions(e))
		c.add(c.current(e))
	}
	for _, s := range c.samples {
		c.add(cmp.Or(c.decodes(s), c.whole(s)))
	}
	return errors.Join(c.mistakes...)
}

// SamplesVariable is the environment variable that has Check write samples.
const SamplesVariable = "TIDEMARK_SAMPLES"

// check is one call of Check.
type check struct {
	reg      *Registry
	opts     CheckOptions
	mode     string
	entries  []*entry // in the order of their names
	values   specimens
	samples  []*sampleFile
	told     map[*entry]bool // types of which it was said that they have changed
	mistakes []error
}

func newCheck(reg *Registry, opts *CheckOptions) (*check, error) {
	c := &check{reg: reg, opts: *opts, mode: os.Getenv(SamplesVariable), told: map[*entry]bool{}}
	c.opts.Dir = cmp.Or(c.opts.Dir, "testdata/samples")
	if !slices.Contains([]string{"", "new", "compatible"}, c.mode) {
		return nil, fmt.Errorf("serializer: %s is %q; it may be new or compatible", SamplesVariable, c.mode)
	}
	t := reg.published.Load()
	for _, e := range t.byType {
		c.entries = append(c.entries, e)
	}
	slices.SortFunc(c.entries, func(a, b *entry) int { return cmp.Compare(a.name, b.name) })
	var err error
	if c.values, err = newSpecimens(t, opts.Samples); err != nil {
		return nil, err
	}
	c.samples, err = readSamples(c.opts.Dir)
	return c, err
}

func (c *check) add(err error) {
	if err != nil {
		c.mistakes = append(c.mistakes, fmt.Errorf("serializer: %w", err))
	}
}

// of returns the samples of a type at a version, in the order of their files' names.
func (c *check) of(e *entry, schema int) (found []*sampleFile) {
	for _, s := range c.samples {
		if s.Schema == schema && (s.Type == e.name || slices.Contains(e.aliases, s.Type)) {
			found = append(found, s)
		}
	}
	return found
}

// decodes checks that a sample is read by today's code.
func (c *check) decodes(s *sampleFile) error {
	encoded, err := c.upcast(s.Sample)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	for _, e := range encoded {
		if _, err := c.reg.Decode(e); err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
	}
	return nil
}

func (c *check) upcast(s Sample) (encoded []Encoded, err error) {
	if c.opts.Upcast == nil {
		return []Encoded{s.Encoded}, nil
	}
	defer catch(&err)
	return c.opts.Upcast(s)
}

// whole checks that nothing of a sample of a current version is lost when it is decoded. Of a type that has changed,
// everything was said.
func (c *check) whole(s *sampleFile) error {
	e, ok := c.reg.published.Load().byName[s.Type]
	if !ok || e.schema != s.Schema || c.told[e] {
		return nil
	}
	have, err := e.content(c.reg, s.Encoded)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	again, err := e.rewrite(c.reg, s.Encoded)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if lost := have.lost(again); lost != "" {
		return fmt.Errorf("%s: %v loses or changes what stands in a payload of %v:\n%s  Register the type with "+
			"serializer.Version(%d) and add an upcaster step from v%d", s.path, e.goType, e, lost, e.schema+1, e.schema)
	}
	return nil
}
