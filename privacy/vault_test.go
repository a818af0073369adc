package privacy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForget(t *testing.T) {
	w := newWorld(t)
	diagnosis := medical{Patient: "c-1", Diagnosis: "melancholia"}
	w.append(anna, diagnosis, plain{Text: "tidemark-sealed:1:a:b"})
	require.Equal(t, []any{anna, diagnosis, plain{Text: "tidemark-sealed:1:a:b"}}, w.payloads())
	raw := strings.Join(w.raw(), "\n")
	t.Log(raw)
	for _, secret := range []string{"Anna", "1848", "Nevsky", "Petersburg", "melancholia"} {
		require.NotContains(t, raw, secret)
	}
	known, err := w.vault.Forget(t.Context(), "c-1")
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []any{annaForgotten, medical{Patient: "c-1", Diagnosis: "[forgotten]"}, plain{Text: "tidemark-sealed:1:a:b"}}, w.payloads())
}
