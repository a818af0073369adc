package projection_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
)

type unregistered struct{}

func nothing[T any](context.Context, projection.Event[T]) error { return nil }

func nothingAtAll(context.Context, []eventstore.Event) error { return nil }

// with returns a projection that was set up in some way.
func with(name string, opts *projection.Options, setUp ...func(p *projection.Projection)) *projection.Projection {
	p := projection.New(name, opts)
	for _, f := range setUp {
		f(p)
	}
	return p
}

func on[T any](p *projection.Projection) { projection.On(p, nothing[T]) }

func onBatch(p *projection.Projection) { projection.OnBatch(p, nothingAtAll) }

func TestNewRunnerNamesEachMistake(t *testing.T) {
	store, err := eventstore.New(memory.New(), newRegistry(), nil)
	require.NoError(t, err)
	type ps = []*projection.Projection
	for mistake, test := range map[string]struct {
		ps   ps
		want string
	}{
		"no projection":  {nil, `projection: NewRunner needs a projection`},
		"nil projection": {ps{nil}, `projection: projection 1 of NewRunner: it is nil`},
		"no name": {ps{with("", nil, on[deposited])},
			`projection: projection 1 of NewRunner: it has no name, and its checkpoint is stored under its name`},
		"a long name": {ps{with(strings.Repeat("x", 221), nil, on[deposited])},
			`projection: "` + strings.Repeat("x", 80) + `": its name is 221 bytes long; 220 are allowed`},
		"a name that is no text":  {ps{with("\xff", nil, on[deposited])}, `projection: "\xff": its name is not valid UTF-8`},
		"a name with a NUL in it": {ps{with("\x00", nil, on[deposited])}, `projection: "\x00": its name contains a NUL character`},
		"one name for two": {ps{with("twin", nil, on[deposited]), with("twin", nil, onBatch)},
			`projection: "twin": the name is taken by another one of this runner, and they would share a checkpoint`},
		"no handler": {ps{with("idle", nil)}, `projection: "idle": it has no handler: give it some with On or OnBatch`},
		"a nil handler": {ps{with("none", nil, func(p *projection.Projection) { projection.On[deposited](p, nil) })},
			`projection: "none": the handler of On[projection_test.deposited] is nil`},
		"a nil batch handler": {ps{with("none", nil, func(p *projection.Projection) { projection.OnBatch(p, nil) })},
			`projection: "none": the handler of OnBatch is nil`},
		"a type that is not registered": {ps{with("lost", nil, on[unregistered])},
			`projection: "lost": the handler of On[projection_test.unregistered] would never be called: no registered type is one, register it ` +
				`with serializer.Register`},
		"two handlers for a type": {ps{with("both", nil, on[deposited], on[entry])},
			`projection: "both": account.deposited has two handlers, On[projection_test.deposited] and On[projection_test.entry]`},
		"both kinds of handlers": {ps{with("mixed", nil, on[deposited], onBatch)},
			`projection: "mixed": it has handlers of both On and OnBatch: make two projections of it`},
		"two batch handlers": {ps{with("bulk", nil, onBatch, onBatch)},
			`projection: "bulk": it has two handlers of OnBatch: a projection has one`},
		"types for On": {ps{with("typed", &projection.Options{Types: []string{"account.deposited"}}, on[deposited])},
			`projection: "typed": the option Types is for OnBatch: a handler of On brings its own types`},
		"a type that is misspelt": {ps{with("bulk", &projection.Options{Types: []string{"account.depo"}}, onBatch)},
			`projection: "bulk": the option Types names "account.depo", which is no registered event's current name`},
		"a negative batch": {ps{with("p", &projection.Options{BatchSize: -1}, onBatch)},
			`projection: "p": the option BatchSize is negative: -1`},
		"negative tries": {ps{with("p", &projection.Options{Tries: -1}, onBatch)},
			`projection: "p": the option Tries is negative: -1`},
		"a negative backoff": {ps{with("p", &projection.Options{MinBackoff: -1}, onBatch)},
			`projection: "p": the option MinBackoff is negative: -1ns`},
		"a backoff that shrinks": {ps{with("p", &projection.Options{MinBackoff: time.Second, MaxBackoff: time.Millisecond}, onBatch)},
			`projection: "p": the option MaxBackoff is 1ms, shorter than MinBackoff, 1s`},
		"a negative interval": {ps{with("p", &projection.Options{CheckpointInterval: -1}, onBatch)},
			`projection: "p": the option CheckpointInterval is negative: -1ns`},
		"a stream type that can't be": {ps{with("p", &projection.Options{StreamTypes: []string{"", "account", "a-b", "\xff"}}, onBatch)},
			"projection: \"p\": the option StreamTypes: eventstore: stream type \"\" is empty\n" +
				"projection: \"p\": the option StreamTypes: stream type \"a-b\" contains a hyphen, and no stream has such a type\n" +
				"projection: \"p\": the option StreamTypes: eventstore: stream type \"\\xff\" is not valid UTF-8"},
		"several of one": {ps{with("p", &projection.Options{BatchSize: -1, Partitions: 5000, CheckpointInterval: -1, Tries: -1, Then: "x",
			Failures: projection.Policies{Handler: projection.Policy{Tries: -2}, Unknown: projection.Policy{Then: "y"}}}, onBatch)},
			"projection: \"p\": the option BatchSize is negative: -1\n" +
				"projection: \"p\": the option Partitions is 5000; 1 to 1000 are possible\n" +
				"projection: \"p\": the option CheckpointInterval is negative: -1ns\n" +
				"projection: \"p\": the option Tries is negative: -1\n" +
				"projection: \"p\": the option Then is \"x\": it can be Stop, Skip or Park\n" +
				"projection: \"p\": the option Failures.Handler.Tries is negative: -2\n" +
				"projection: \"p\": the option Failures.Unknown.Then is \"y\": it can be Stop, Skip or Park"},
		"one name for two, and more": {ps{with("twin", nil, on[deposited]), with("twin", &projection.Options{BatchSize: -1})},
			"projection: \"twin\": the name is taken by another one of this runner, and they would share a checkpoint\n" +
				"projection: \"twin\": it has no handler: give it some with On or OnBatch\n" +
				"projection: \"twin\": the option BatchSize is negative: -1"},
		"several": {ps{with("one", nil), with("two", &projection.Options{BatchSize: -1})},
			"projection: \"one\": it has no handler: give it some with On or OnBatch\n" +
				"projection: \"two\": it has no handler: give it some with On or OnBatch\n" +
				"projection: \"two\": the option BatchSize is negative: -1"},
	} {
		t.Run(mistake, func(t *testing.T) {
			runner, err := projection.NewRunner(store, nil, test.ps...)
			require.EqualError(t, err, test.want)
			require.Nil(t, runner)
		})
	}
	_, err = projection.NewRunner(nil, nil, with("p", nil, onBatch))
	require.EqualError(t, err, "projection: NewRunner needs a store")
}

func TestARunnerTakesAProjectionAsItIsWhenItIsMade(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		p := with("p", nil, on[deposited])
		r := w.start(t, p)
		projection.On(p, func(context.Context, projection.Event[renamed]) error { panic("too late") })
		r.reach(t, "p", w.append(t, "a", renamed{}))
	})
}

func TestADriverWithoutCheckpointsIsRefusedByRun(t *testing.T) {
	store, err := eventstore.New(bare{memory.New()}, newRegistry(), nil)
	require.NoError(t, err)
	silent := &projection.RunnerOptions{Logger: slog.New(slog.DiscardHandler)}
	runner, err := projection.NewRunner(store, silent, with("p", nil, on[deposited]))
	require.NoError(t, err)
	require.ErrorIs(t, runner.Run(t.Context()), eventstore.ErrNotSupported)
}

func TestARunnerListensForCommitsOnceAndNotAnewForEachOfThem(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		synctest.Wait()
		began := w.faults.watches.Load()
		for range 20 {
			r.reach(t, "balances", w.deposit(t, 1))
			synctest.Wait()
		}
		require.Equal(t, began, w.faults.watches.Load())
	})
}

// A reader at the head costs the database one page for a commit that wakes it, and nothing before.
func TestARunnerAtTheHeadReadsTheLogOnceForACommit(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		r := w.start(t, w.projection("balances", nil))
		r.reach(t, "balances", w.deposit(t, 1))
		synctest.Wait()
		var reads []driver.AllQuery
		w.faults.set(func(f *faults) {
			f.read = func(q driver.AllQuery, _ *driver.Page) error {
				reads = append(reads, q)
				return nil
			}
		})
		for range 3 {
			w.deposit(t, 1)
			synctest.Wait()
		}
		require.Len(t, reads, 3)
		require.NoError(t, r.stop())
		w.requireReplayed(t)
	})
}
