package serializer

import (
	"cmp"
	"errors"
	"fmt"
)

// versions checks that there is a sample of every version before the current one.
func (c *check) versions(e *entry) error {
	var missing []error
	for schema := cmp.Or(c.opts.Since[e.name], 1); schema < e.schema; schema++ {
		if len(c.of(e, schema)) == 0 {
			missing = append(missing, fmt.Errorf("no sample of %s: bring %s back from the release that wrote it, or put one "+
				"there by hand; if nothing was ever stored at this version, say in CheckOptions.Since at which it began",
				identity(e.name, schema), c.path(e.name, schema, 1)))
		}
	}
	return errors.Join(missing...)
}

// current checks that today's code writes the current version as one of its samples has it.
func (c *check) current(e *entry) error {
	today, err := c.values.encode(e)
	if err != nil {
		return err
	}
	want, err := c.readable(e, today)
	if err != nil {
		return err
	}
	samples := c.of(e, e.schema)
	if len(samples) == 0 {
		return c.first(e, today)
	}
	var difference string
	for _, s := range samples {
		have, err := e.content(c.reg, s.Encoded)
		if err != nil {
			return nil // which is said of this sample elsewhere
		}
		difference = have.diff(want)
		if s.ContentType != today.ContentType {
			difference = fmt.Sprintf("    - as %s\n    + as %s\n%s", s.ContentType, today.ContentType, difference)
		}
		if difference == "" {
			return nil
		}
	}
	return c.changed(e, today, samples[len(samples)-1], difference)
}

// readable returns what stands in today's sample, having made sure that it is read as it was written.
func (c *check) readable(e *entry, today Encoded) (content, error) {
	want, err := e.content(c.reg, today)
	if err != nil {
		return nil, fmt.Errorf("sample of %v: %w", e, err)
	}
	again, err := e.rewrite(c.reg, today)
	if err != nil {
		return nil, fmt.Errorf("sample of %v: %w", e, err)
	}
	if lost := want.lost(again); lost != "" {
		return nil, fmt.Errorf("%v does not read what it has written itself:\n%s  Look at its methods and tags; if it is the "+
			"value that is to blame, give another one in CheckOptions.Samples", e.goType, lost)
	}
	return want, nil
}

// first writes the first sample of a version, or says how to.
func (c *check) first(e *entry, today Encoded) error {
	path := c.path(e.name, e.schema, 1)
	if c.mode == "" {
		return fmt.Errorf("no sample of %v: run the test with %s=new, which writes %s, and commit that", e, SamplesVariable, path)
	}
	return c.write(path, today)
}

// changed writes another sample of the current version if that is wanted and harmless, or says what there is to do.
func (c *check) changed(e *entry, today Encoded, last *sampleFile, difference string) error {
	compatible := true
	for _, s := range c.of(e, e.schema) {
		compatible = compatible && c.decodes(s) == nil && c.whole(s) == nil
	}
	if c.mode == "compatible" && compatible {
		return c.write(c.unused(e), today)
	}
	c.told[e] = true
	advice := fmt.Sprintf("  If v%d was released, register the type with serializer.Version(%d), add an upcaster step from v%d, "+
		"and run the test with %s=new.\n", e.schema, e.schema+1, e.schema, SamplesVariable)
	if compatible {
		advice += fmt.Sprintf("  If older payloads are read rightly as they are, run it with %s=compatible instead.\n", SamplesVariable)
	}
	advice += fmt.Sprintf("  If v%d was not released, remove that file and run it with %s=new.", e.schema, SamplesVariable)
	return fmt.Errorf("%v is written by %v otherwise than in %s, but under the same version:\n%s%s", e, e.goType, last.path,
		difference, advice)
}
