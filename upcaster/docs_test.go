package upcaster_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

func page(t *testing.T) string {
	text, err := os.ReadFile("../docs/schema-evolution.md")
	require.NoError(t, err)
	return string(text)
}

// Code in the documentation is code of the examples, so it compiles and does what is said.
func TestTheCodeInTheDocumentationRuns(t *testing.T) {
	files, err := filepath.Glob("../*er/example*_test.go")
	require.NoError(t, err)
	var examples []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		examples = append(examples, lines(string(text)))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		code := lines(block[1])
		require.True(t, slices.ContainsFunc(examples, func(e string) bool { return strings.Contains(e, code) }),
			"no example has this code:\n%s", block[1])
	}
}

// lines returns a text without what indentation and empty lines it has.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines("\n" + text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString("\n" + line)
		}
	}
	return b.String() + "\n"
}

// What the documentation says that a mistake says, it says, and nothing else.
func TestTheErrorsInTheDocumentationAreReal(t *testing.T) {
	var real []string
	for _, err := range slices.Concat(mistakesAtStart(t), mistakesOfSteps(t), mistakesOfDowncasts(t), mistakesLater(t)) {
		require.Error(t, err)
		real = append(real, strings.Split(strings.ReplaceAll(err.Error(), "upcaster_test.", "shop."), "\n")...)
	}
	var quoted []string
	for _, m := range regexp.MustCompile("`((?:serializer|upcaster|eventstore): [^`]*)`").FindAllStringSubmatch(page(t), -1) {
		quoted = append(quoted, m[1])
	}
	slices.Sort(real)
	slices.Sort(quoted)
	require.Equal(t, strings.Join(real, "\n"), strings.Join(quoted, "\n"))
}

// registered returns the error of a registry.
func registered(register func(r *serializer.Registry)) error {
	r := serializer.NewRegistry(nil)
	register(r)
	return r.Err()
}

func mistakesAtStart(t *testing.T) []error {
	chain := newChain(t, upcaster.Rename(v("order.placed", 1), v("order.placed", 2)))
	_, unregistered := eventstore.New(memory.New(), serializer.NewRegistry(nil), &eventstore.Options{Upcasters: chain})
	return []error{
		registered(func(r *serializer.Registry) {
			serializer.Register[Placed](r, "order.placed")
			serializer.Register[Opened](r, "order.placed")
		}),
		registered(func(r *serializer.Registry) {
			serializer.Register[Placed](r, "order.placed")
			serializer.Register[Placed](r, "order.created")
		}),
		registered(func(r *serializer.Registry) { serializer.Register[Event](r, "order.event") }),
		registered(func(r *serializer.Registry) { serializer.Register[Placed](r, "order.placed", serializer.Version(0)) }),
		unregistered,
	}
}

// Event is what all events of an order implement.
type Event interface{ orderEvent() }

func mistakesOfSteps(t *testing.T) []error {
	var errs []error
	for _, steps := range [][]upcaster.Step{
		{upcaster.Rename(v("order.placed", 1), v("order.placed", 2)), upcaster.Drop(v("order.placed", 1))},
		{upcaster.Rename(v("order.placed", 1), v("order.placed", 2)), upcaster.Rename(v("order.placed", 3), v("order.placed", 4))},
		{upcaster.Rename(v("order.placed", 1), v("order.opened", 1)), upcaster.Rename(v("order.opened", 1), v("order.placed", 1))},
		{upcaster.Rename(v("order.placed", 2), v("order.placed", 1))},
		{upcaster.Map(v("order.placed", 1), v("order.placed", 2), nil)},
	} {
		_, err := upcaster.New(steps...)
		errs = append(errs, err)
	}
	return errs
}

func mistakesOfDowncasts(t *testing.T) []error {
	v1, v2 := v("order.placed", 1), v("order.placed", 2)
	_, forward := upcaster.NewDowncasts(upcaster.Struct(v1, v2, withCurrency))
	_, nothing := upcaster.NewDowncasts(upcaster.Drop(v("order.viewed", 1)))
	up := newChain(t, upcaster.Struct(v1, v2, withCurrency))
	open := func(chain *upcaster.Chain, step upcaster.Step) (*eventstore.Store, error) {
		reg := serializer.NewRegistry(nil)
		serializer.Register[Placed](reg, "order.placed", serializer.Version(2))
		return eventstore.New(memory.New(), reg, &eventstore.Options{Upcasters: chain, Downcasts: newDowncasts(t, step)})
	}
	_, early := open(up, upcaster.Rename(v1, v("order.opened", 1)))
	_, lost := open(nil, upcaster.Struct(v2, v1, withoutCurrency))
	errs := []error{forward, nothing, early, lost}
	for _, step := range []upcaster.Step{upcaster.Struct(v2, v1, withoutCurrency), upcaster.Rename(v2, v1)} {
		store, err := open(up, step)
		require.NoError(t, err)
		_, err = store.Append(t.Context(), eventstore.StreamID{Type: "order", ID: "42"}, eventstore.Any,
			eventstore.Events(Placed{Total: 1999, Currency: "EUR"})...)
		errs = append(errs, err)
		require.NoError(t, store.Close())
	}
	return errs
}

// unreadable returns the beginning of the error of a store that lacks a step.
func unreadable(t *testing.T, today *serializer.Registry) error {
	drv, reg := memory.New(), serializer.NewRegistry(nil)
	serializer.Register[placedBefore](reg, "order.placed")
	order := eventstore.StreamID{Type: "order", ID: "42"}
	before, err := eventstore.New(drv, reg, nil)
	require.NoError(t, err)
	_, err = before.Append(t.Context(), order, eventstore.NoStream, eventstore.Events(placedBefore{Total: 1999})...)
	require.NoError(t, err)
	store, err := eventstore.New(drv, today, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	_, err = store.ReadAll(t.Context(), 0, nil)
	require.ErrorIs(t, err, eventstore.ErrUnknownEvent)
	where, why, _ := strings.Cut(err.Error(), "(position 1): ")
	require.Contains(t, why, "serializer: unknown type: order.placed v1, registered as order.placed v2")
	return errors.New(where + "(position 1): …")
}

func mistakesLater(t *testing.T) []error {
	r := serializer.NewRegistry(nil)
	serializer.Register[Placed](r, "order.placed", serializer.Version(2))
	require.NoError(t, r.Err())
	encode := func(value any) error {
		_, err := r.Encode(value)
		return err
	}
	decode := func(name string, schema int, contentType, data string) error {
		_, err := r.Decode(serializer.Encoded{Type: name, Schema: schema, ContentType: contentType, Data: []byte(data)})
		return err
	}
	upcast := func(step upcaster.Step, data string) error {
		_, err := newChain(t, step).Upcast(event(step.From(), data), codec)
		return err
	}
	return []error{
		unreadable(t, r),
		encode(Opened{}),
		encode(&Placed{}),
		decode("order.lost", 1, jsonType, `{}`),
		decode("order.placed", 1, jsonType, `{}`),
		decode("order.placed", 3, jsonType, `{}`),
		decode("order.placed", 2, "application/json+gzip", `{}`),
		decode("order.placed", 2, jsonType, `{"total":`),
		upcast(upcaster.Struct(v("order.placed", 1), v("order.placed", 2), withCurrency), `{"total":`),
		upcast(upcaster.Map(v("order.placed", 1), v("order.placed", 2), func(fields map[string]any) error {
			fields["total"] = fields["total"].(float64) * 100
			return nil
		}), `{"total":19}`),
		upcast(upcaster.Split(v("order.changed", 1), []upcaster.Type{v("order.placed", 2)},
			func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
				return []upcaster.Event{{Type: v("order.placed", 1), Data: e.Data}}, nil
			}), `{}`),
	}
}
