package privacy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What docs/privacy.md says is what happens.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/privacy.md")
	require.NoError(t, err)
	page := string(text)

	t.Run("the struct is the example's", func(t *testing.T) {
		source, err := os.ReadFile("example_test.go")
		require.NoError(t, err)
		found := regexp.MustCompile(`(?s)type Registered struct \{.*?\n\}\n`).FindString(string(source))
		require.NotEmpty(t, found)
		require.Contains(t, page, found)
	})
	t.Run("a stored payload looks like that", func(t *testing.T) {
		w := typedWorld[Registered](t)
		w.append("1", Registered{Customer: "1042", Name: "Ada Lovelace", Email: "ada@example.org", Country: "GB"})
		raw := w.raw("1")[0]
		beginning, _, _ := strings.Cut(raw, "Iltmb3Jnb3R0ZW5dIg:")
		require.NotEqual(t, raw, beginning)
		require.Contains(t, page, beginning+"Iltmb3Jnb3R0ZW5dIg:")
	})
	t.Run("every error and every option is named", func(t *testing.T) {
		for _, name := range []string{"ErrForgotten", "ErrMasterKey", "ErrNoKey", "ErrDamaged"} {
			require.Contains(t, page, "`"+name+"`")
		}
		for _, name := range []string{"Previous", "CacheFor", "CacheSize", "PrivacySubject", "Redacted", "Forget", "Rotate", "Rewrap"} {
			require.Contains(t, page, name)
		}
	})
}
