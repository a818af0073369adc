package eventstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
)

func TestDeadLetters(t *testing.T) {
	note := eventstore.DeadLetter{Projection: "totals", Position: 3, Stream: ada, Version: 2, Type: "account.opened", Error: "boom", Tries: 1}
	t.Run("get the store's time where they have none, and keep theirs otherwise", func(t *testing.T) {
		s, now := openClocked(t)
		require.NoError(t, s.SaveDeadLetter(t.Context(), note))
		list, err := s.DeadLetters(t.Context(), "totals", 0, 10)
		require.NoError(t, err)
		want := note
		want.FirstAt, want.LastAt = s.Now(), s.Now()
		require.Equal(t, []eventstore.DeadLetter{want}, list)

		*now = now.Add(time.Hour)
		again := want
		again.FirstAt, again.LastAt = again.FirstAt.Local(), time.Time{}
		require.NoError(t, s.SaveDeadLetter(t.Context(), again))
		list, err = s.DeadLetters(t.Context(), "totals", 0, 10)
		require.NoError(t, err)
		want.LastAt = s.Now()
		require.Equal(t, []eventstore.DeadLetter{want}, list)
		require.NoError(t, s.DeleteDeadLetter(t.Context(), "totals", 3))
		list, err = s.DeadLetters(t.Context(), "totals", 0, 10)
		require.NoError(t, err)
		require.Empty(t, list)
	})
	t.Run("keep of an error's text what can be stored", func(t *testing.T) {
		s, _ := openClocked(t)
		d := note
		d.Error = "\x00\xff" + strings.Repeat("é", 1<<20)
		require.NoError(t, s.SaveDeadLetter(t.Context(), d))
		list, err := s.DeadLetters(t.Context(), "totals", 0, 10)
		require.NoError(t, err)
		require.Equal(t, "\uFFFD\uFFFD"+strings.Repeat("é", 4095), list[0].Error)
	})
	t.Run("refuse what no event is like", func(t *testing.T) {
		s, _ := openClocked(t)
		for says, spoil := range map[string]func(*eventstore.DeadLetter){
			"projection name": func(d *eventstore.DeadLetter) { d.Projection = "" },
			"stream type":     func(d *eventstore.DeadLetter) { d.Stream.Type = "a-b" },
			"event type":      func(d *eventstore.DeadLetter) { d.Type = "" },
			"request":         func(d *eventstore.DeadLetter) { d.Request = "\xff" },
			"position 0":      func(d *eventstore.DeadLetter) { d.Position = 0 },
			"version 0":       func(d *eventstore.DeadLetter) { d.Version = 0 },
			"-1 tries":        func(d *eventstore.DeadLetter) { d.Tries = -1 },
		} {
			d := note
			spoil(&d)
			require.ErrorContains(t, s.SaveDeadLetter(t.Context(), d), says)
		}
		_, err := s.DeadLetters(t.Context(), "totals", -1, 1)
		require.ErrorContains(t, err, "position -1")
		_, err = s.DeadLetters(t.Context(), "totals", 0, 0)
		require.ErrorContains(t, err, "limit 0")
	})
}
