package privacy_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/projection"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
)

// customer is an aggregate with snapshots.
type customer struct {
	aggregate.Root[any]
	state customerState
}

type customerState struct {
	ID    string `json:"id" privacy:"subject"`
	Name  string `json:"name" privacy:"personal,fallback=[forgotten]"`
	Notes int    `json:"notes"`
}

func newCustomer(id string) *customer {
	c := new(customer)
	c.Init(id, c.apply)
	return c
}

func (c *customer) apply(e any) {
	switch e := e.(type) {
	case registered:
		c.state.ID, c.state.Name = e.Customer, e.Name
	case noted:
		c.state.Notes++
	}
}

func (c *customer) Snapshot() (any, error) { return c.state, nil }
func (c *customer) Restore(state any) error {
	c.state = state.(customerState)
	return nil
}

// everyPath returns what each way to read the events shows.
func everyPath(w *world) map[string][]any {
	ctx, s := w.Context(), w.store
	paths := map[string][]any{"stream": w.payloads("1")}
	add := func(name string, e eventstore.Event) { paths[name] = append(paths[name], e.Payload) }
	for e, err := range s.Stream(ctx, stream("1"), &eventstore.StreamOptions{From: 2, Limit: 1, Backward: true}) {
		require.NoError(w, err)
		add("stream backward, from the second", e)
	}
	for e, err := range s.All(ctx, 0, nil) {
		require.NoError(w, err)
		add("log", e)
	}
	page, err := s.ReadAll(ctx, 0, &eventstore.ReadOptions{Types: []string{"customer.diagnosed"}})
	require.NoError(w, err)
	for _, e := range page.Events {
		add("page of the log, filtered", e)
	}
	for e, err := range s.Subscribe(ctx, 0, &eventstore.ReadOptions{Limit: int(page.Head)}) {
		require.NoError(w, err)
		add("subscription", e)
	}
	paths["projection from the start"] = projected(w)
	return paths
}

// projected returns what a projection gets that is built anew.
func projected(w *world) (handled []any) {
	p := projection.New("names", nil)
	projection.On(p, func(_ context.Context, e projection.Event[any]) error {
		handled = append(handled, e.Payload)
		return nil
	})
	position, err := w.store.LoadCheckpoint(w.Context(), "names")
	require.NoError(w, err)
	if position > 0 {
		require.NoError(w, w.store.SaveCheckpoint(w.Context(), "names", position, 0))
	}
	r, err := projection.NewRunner(w.store, nil, p)
	require.NoError(w, err)
	require.NoError(w, r.CatchUp(w.Context()))
	return handled
}

func TestEveryReadPathShowsFallbacksOnceASubjectIsForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.append("1", anna, ill)
		w.append("2", emma)
		require.Equal(t, map[string][]any{
			"stream":                           {anna, ill},
			"stream backward, from the second": {ill},
			"log":                              {anna, ill, emma},
			"page of the log, filtered":        {ill},
			"subscription":                     {anna, ill, emma},
			"projection from the start":        {anna, ill, emma},
		}, everyPath(w))
		stored := w.raw("1")

		known, err := w.vault.Forget(t.Context(), "c-1")
		require.NoError(t, err)
		require.True(t, known)
		require.Equal(t, map[string][]any{
			"stream":                           {annaForgotten, illForgotten},
			"stream backward, from the second": {illForgotten},
			"log":                              {annaForgotten, illForgotten, emma},
			"page of the log, filtered":        {illForgotten},
			"subscription":                     {annaForgotten, illForgotten, emma},
			"projection from the start":        {annaForgotten, illForgotten, emma},
		}, everyPath(w))
		require.Equal(t, stored, w.raw("1"), "the events themselves are not touched")
	})
}

func TestARawReadShowsWhatIsStored(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.append("1", anna, ill)
		raw := w.raw("1")
		requireNoSecrets(t, strings.Join(raw, "\n"))
		require.Regexp(t, `^{"customer":"c-1","name":"tidemark-sealed:1:[^"]+","born":"tidemark-sealed:1:[^"]+",`+
			`"home":"tidemark-sealed:1:[^"]+","country":"RU"}$`, raw[0], "the payload keeps its shape")
		require.Regexp(t, `^"tidemark-sealed:1:[^"]+"$`, raw[1])
	})
}

func TestPlainFieldsCanBeQueriedBySQL(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		if w.db == nil {
			t.Skip("there is no SQL in memory")
		}
		w.append("1", anna)
		w.append("2", emma)
		var row struct{ Customer, Name string }
		require.NoError(t, w.db.Get(&row, `SELECT event_data ->> 'customer' AS customer, event_data ->> 'name' AS name
			FROM `+w.events+` WHERE event_data ->> 'country' = 'FR'`))
		require.Equal(t, "c-2", row.Customer)
		require.Regexp(t, "^tidemark-sealed:", row.Name)
	})
}

func TestSnapshots(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		serializer.Register[customerState](w.reg, "customer.state")
		var loaded repository.Loaded
		customers, err := repository.New(w.store, "customer", newCustomer, &repository.Options{
			Snapshots: repository.EveryEvents(2), OnLoad: func(l repository.Loaded) { loaded = l },
			Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		load := func(from int64, want customerState) {
			t.Helper()
			c, err := customers.Load(t.Context(), "1")
			require.NoError(t, err)
			require.Equal(t, want, c.state)
			require.Equal(t, from, loaded.SnapshotVersion)
		}
		_, err = customers.Update(t.Context(), "1", func(c *customer) error { c.Record(anna, noted{"hello"}); return nil })
		require.NoError(t, err)
		load(2, customerState{ID: "c-1", Name: "Anna Karenina", Notes: 1})
		stored, ok, err := w.drv.(driver.Snapshotter).LoadSnapshot(t.Context(), stream("1"))
		require.NoError(t, err)
		require.True(t, ok)
		requireNoSecrets(t, string(stored.Data))
		require.Contains(t, string(stored.Data), `"id":"c-1"`)

		w.forget("c-1")
		_, _, err = w.store.LoadSnapshot(t.Context(), stream("1"))
		require.ErrorAs(t, err, new(*eventstore.SnapshotError))
		require.ErrorContains(t, err, "was forgotten after it was taken")
		load(0, customerState{ID: "c-1", Name: "[forgotten]", Notes: 1})

		_, err = customers.Update(t.Context(), "1", func(c *customer) error { c.Record(noted{"hello"}); return nil })
		require.NoError(t, err)
		load(3, customerState{ID: "c-1", Name: "[forgotten]", Notes: 2})
	})
}

func TestASnapshotOfWhatWasLoadedBeforeItsSubjectWasForgottenIsNotStored(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		serializer.Register[customerState](w.reg, "customer.state")
		w.append("1", anna)
		state := customerState{ID: "c-1", Name: "Anna Karenina"}
		w.forget("c-1")
		err := w.store.SaveSnapshot(t.Context(), eventstore.Snapshot{Stream: stream("1"), Version: 1, State: state})
		require.ErrorContains(t, err, "name")
		_, ok, err := w.store.LoadSnapshot(t.Context(), stream("1"))
		require.NoError(t, err)
		require.False(t, ok)
	})
}
