package aggregate_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the documentation says that a mistake says, it says.
func TestTheErrorsInTheDocumentationAreReal(t *testing.T) {
	page, err := os.ReadFile("../docs/aggregates.md")
	require.NoError(t, err)
	quoted := func(name string, mistake func(a *account)) {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text := recover().(string)
				require.True(t, strings.Contains(string(page), "`"+text+"`"), "docs/aggregates.md does not quote: %s", text)
			}()
			mistake(newAccount("42"))
		})
	}
	quoted("no Init", func(*account) { new(account).Record(deposited{}) })
	quoted("a copy", func(a *account) { b := *a; b.Record(deposited{}) })
	quoted("Record in apply", func(a *account) {
		b := new(account)
		b.Init("42", func(accountEvent) { b.Record(deposited{}) })
		b.Record(deposited{})
	})
	quoted("Init twice", func(a *account) { a.Init("42", a.apply) })
	quoted("Init without apply", func(*account) { new(account).Init("42", nil) })
	quoted("another aggregate's event", func(a *account) { panic(storageOf(t, a).Replay(1, time.Second).Error()) })
}
