package eventstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// nextBank is accounts two releases later: openings were renamed and have got a branch, deposits are split, and closings
// are of no use any longer.
func nextBank() (*serializer.Registry, *upcaster.Chain, error) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[openedAt](reg, "account.begun", serializer.Version(2), serializer.Alias("account.opened"))
	serializer.Register[deposited](reg, "account.paid_in")
	chain, err := upcaster.New(
		upcaster.Split(upcaster.V("account.begun", 1), []upcaster.Type{upcaster.V("account.begun", 2)}, toBranch),
		upcaster.Split(upcaster.V("account.deposited", 1), []upcaster.Type{upcaster.V("account.paid_in", 1)}, twice),
		upcaster.Drop(upcaster.V("account.closed", 1)),
	)
	return reg, chain, err
}

type openedAt struct{ Owner, Branch string }

func toBranch(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
	data, err := c.Marshal(&openedAt{Branch: e.Metadata["branch"] + e.Tags[0] + e.RecordedAt.Format("2006")})
	return []upcaster.Event{{Type: upcaster.V("account.begun", 2), Data: data}}, err
}

func twice(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
	e.Type = upcaster.V("account.paid_in", 1)
	return []upcaster.Event{e, e}, nil
}

func TestSamplesAreCarriedForwardAsStoredEventsAre(t *testing.T) {
	reg, chain, err := nextBank()
	require.NoError(t, err)
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	encoded := func(name, data string) serializer.Encoded {
		return serializer.Encoded{Type: name, Schema: 1, ContentType: "application/json", Data: []byte(data)}
	}
	upcast := eventstore.UpcastSample(reg, chain)
	t.Run("under a name that is an alias now, with what stood beside them", func(t *testing.T) {
		got, err := upcast(serializer.Sample{Encoded: encoded("account.opened", `{"Owner":"ada"}`),
			Metadata: map[string]string{"branch": "b"}, Tags: []string{"t"}, RecordedAt: now})
		require.NoError(t, err)
		require.Len(t, got, 1)
		v, err := reg.Decode(got[0])
		require.NoError(t, err)
		require.Equal(t, openedAt{Branch: "bt" + now.Format("2006")}, v)
	})
	t.Run("into several", func(t *testing.T) {
		got, err := upcast(serializer.Sample{Encoded: encoded("account.deposited", `{"Amount":5}`)})
		require.NoError(t, err)
		require.Equal(t, []serializer.Encoded{encoded("account.paid_in", `{"Amount":5}`),
			encoded("account.paid_in", `{"Amount":5}`)}, got)
	})
	t.Run("into none", func(t *testing.T) {
		got, err := upcast(serializer.Sample{Encoded: encoded("account.closed", `{}`)})
		require.NoError(t, err)
		require.Empty(t, got)
	})
	t.Run("or not at all", func(t *testing.T) {
		s := serializer.Sample{Encoded: encoded("account.paid_in", `{"Amount":5}`)}
		for _, upcast := range []func(serializer.Sample) ([]serializer.Encoded, error){upcast, eventstore.UpcastSample(reg, nil)} {
			got, err := upcast(s)
			require.NoError(t, err)
			require.Equal(t, []serializer.Encoded{s.Encoded}, got)
		}
	})
	t.Run("and the error names the step", func(t *testing.T) {
		_, err := upcast(serializer.Sample{Encoded: encoded("account.begun", `{"Owner":"ada"}`)})
		require.ErrorContains(t, err, "the step from account.begun v1 to account.begun v2: panic")
	})
}

// In a test, the last lines are: require.NoError(t, serializer.Check(...)).
func ExampleUpcastSample() {
	reg, chain, err := nextBank()
	if err != nil {
		fmt.Println(err)
	}
	err = serializer.Check(reg, &serializer.CheckOptions{Upcast: eventstore.UpcastSample(reg, chain)})
	fmt.Println(err)
	// Output:
	// <nil>
}
