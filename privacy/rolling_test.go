package privacy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// joinedV1 is what the earlier release knows, and joined what the later one does.
type (
	joinedV1 struct {
		Member string `json:"member" privacy:"subject"`
		Name   string `json:"name" privacy:"personal,fallback=[forgotten]"`
		Plan   string `json:"plan"`
	}
	joined struct {
		Member string `json:"member" privacy:"subject"`
		First  string `json:"first" privacy:"personal,fallback=[forgotten]"`
		Last   string `json:"last" privacy:"personal"`
		Plan   string `json:"plan"`
	}
)

func (j joined) v1() joinedV1 {
	return joinedV1{Member: j.Member, Name: strings.TrimSuffix(j.First+" "+j.Last, " "), Plan: j.Plan}
}

func later(old joinedV1) (joined, error) {
	first, last, _ := strings.Cut(old.Name, " ")
	return joined{Member: old.Member, First: first, Last: last, Plan: old.Plan}, nil
}

// releases returns the stores of two releases that run side by side on one database, and their vaults.
func releases(t *testing.T, w *world, down ...upcaster.Step) (earlier, now *eventstore.Store, vaults [2]*privacy.Vault) {
	t.Helper()
	v1, v2 := upcaster.V("member.joined", 1), upcaster.V("member.joined", 2)
	chain, err := upcaster.New(upcaster.Struct(v1, v2, later))
	require.NoError(t, err)
	if down == nil {
		down = []upcaster.Step{upcaster.Struct(v2, v1, func(j joined) (joinedV1, error) { return j.v1(), nil })}
	}
	downcasts, err := upcaster.NewDowncasts(down...)
	require.NoError(t, err)
	var stores [2]*eventstore.Store
	for i, options := range []*eventstore.Options{{}, {Upcasters: chain, Downcasts: downcasts}} {
		reg := serializer.NewRegistry(nil)
		if i == 0 {
			serializer.Register[joinedV1](reg, "member.joined")
		} else {
			serializer.Register[joined](reg, "member.joined", serializer.Version(2))
		}
		w.reg = reg
		vaults[i] = w.open(nil)
		options.Protector = vaults[i]
		stores[i], err = eventstore.New(w.drv, reg, options)
		require.NoError(t, err)
	}
	return stores[0], stores[1], vaults
}

func TestTwoReleasesSideBySide(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		earlier, now, vaults := releases(t, w)
		ada := joined{Member: "m-1", First: "Ada", Last: "Lovelace", Plan: "yearly"}
		event := withID(ada)
		for _, duplicate := range []bool{false, true} {
			r, err := now.Append(t.Context(), stream("1"), eventstore.NoStream, event)
			require.NoError(t, err)
			require.Equal(t, duplicate, r.Duplicate, "though it is sealed anew")
		}
		_, err := earlier.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(ada.v1())...)
		require.NoError(t, err)
		require.NotContains(t, strings.Join(w.raw("1"), ""), "Lovelace")
		require.Equal(t, []any{ada.v1(), ada.v1()}, payloads(w, earlier, "1"))
		require.Equal(t, []any{ada, ada}, payloads(w, now, "1"))

		for _, v := range vaults {
			_, err = v.Forget(t.Context(), "m-1")
			require.NoError(t, err)
		}
		gone := joined{Member: "m-1", First: "[forgotten]", Plan: "yearly"}
		require.Equal(t, []any{gone.v1(), gone.v1()}, payloads(w, earlier, "1"))
		require.Equal(t, []any{gone, gone}, payloads(w, now, "1"))
	})
}

func TestADowncastThatPutsSomethingPersonalIntoTheMetadataIsRefused(t *testing.T) {
	w := inMemory(t, nil)
	v1, v2 := upcaster.V("member.joined", 1), upcaster.V("member.joined", 2)
	_, now, _ := releases(t, w, upcaster.Split(v2, []upcaster.Type{v1}, func(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
		var j joined
		if err := c.Unmarshal(e.Data, &j); err != nil {
			return nil, err
		}
		old := j.v1()
		data, err := c.Marshal(&old)
		return []upcaster.Event{{Type: v1, Data: data, Metadata: map[string]string{"last": j.Last}}}, err
	}))
	_, err := now.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(
		joined{Member: "m-1", First: "Ada", Last: "Lovelace"})...)
	require.ErrorContains(t, err, "metadata")
	require.Empty(t, w.raw("1"))
}
