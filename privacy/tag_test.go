package privacy_test

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
)

type passenger struct {
	ID     int    `json:"id" privacy:"subject"`
	Name   string `json:"name,omitempty" privacy:"personal"`
	Seat   string `json:"seat"`
	Parent *passenger
}

// Contact is embedded by a pointer.
type Contact struct {
	Mail string `json:"mail" privacy:"personal,fallback=nobody@example.org"`
}

// Stamped is embedded.
type Stamped struct {
	At time.Time `json:"at"`
	By string    `json:"by" privacy:"personal"`
}

// nested has personal data in every place that a Go type offers.
type nested struct {
	Stamped
	*Contact
	Booker     string                 `json:"booker" privacy:"subject"`
	Passengers []passenger            `json:"passengers"`
	BySeat     map[string]*passenger  `json:"by_seat"`
	Rows       [2][]map[int]passenger `json:"rows"`
	Card       map[string]any         `json:"card" privacy:"personal"`
	Limit      *big.Int               `json:"limit" privacy:"personal"`
	Ratio      float64                `json:"ratio,string" privacy:"personal,fallback=\"0.5\""`
	Since      time.Time              `json:"since" privacy:"personal,fallback=1970-01-01T00:00:00Z"`
	Photo      []byte                 `json:"photo" privacy:"personal"`
	Any        any                    `json:"any" privacy:"personal,fallback={\"gone\": true}"`
	Untagged   string                 `privacy:"personal,fallback=a,b <c> & \"d\""`
	Dash       string                 `json:"-"`
	Free       string                 `json:"free"`
}

func filled() nested {
	child := passenger{ID: 7, Name: "Ada \"the\" Cat\x00", Seat: "1A", Parent: &passenger{ID: 8, Name: "Byron"}}
	return nested{
		Stamped: Stamped{At: time.Unix(1, 0).UTC(), By: "Clerk"}, Contact: &Contact{Mail: "ada@example.com"}, Booker: "b-1",
		Passengers: []passenger{child, {ID: 9, Seat: "1B"}},
		BySeat:     map[string]*passenger{"1A": {ID: 7, Name: "Ada \\ é"}, "1B/2": nil},
		Rows:       [2][]map[int]passenger{{{3: {ID: 7, Name: "Ada"}}}, nil},
		Card:       map[string]any{"number": "4111"}, Limit: big.NewInt(1 << 40), Ratio: 0.25, Since: time.Unix(99, 0).UTC(),
		Photo: []byte{0, 1, 255}, Any: []any{"x", 1.5, nil}, Untagged: "plain <b> & tidemark-sealed:1:x", Dash: "",
		Free: `tidemark-sealed:0:"odd"`,
	}
}

// typedWorld is a world with one type more.
func typedWorld[T any](t *testing.T, opts ...serializer.Option) *world {
	drv := memory.New()
	w := &world{T: t, drv: drv, keys: drv, master: privacy.NewMasterKey(), reg: newRegistry()}
	serializer.Register[T](w.reg, "typed", opts...)
	w.vault = w.open(nil)
	w.store = w.storeWith(w.vault)
	return w
}

func TestPersonalFieldsAreSealedWhereverTheyAre(t *testing.T) {
	w := typedWorld[nested](t)
	w.append("1", filled())
	require.Equal(t, []any{filled()}, w.payloads("1"))
	raw := w.raw("1")[0]
	for _, text := range []string{"Clerk", "ada@", "Ada", "Byron", "4111", "1099511627776", "0.25", "01:39", "AAH/", "1.5", "<b>"} {
		require.NotContains(t, raw, text)
	}
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(raw), &members))
	require.Equal(t, "1970-01-01T00:00:01Z", members["at"])
	require.Equal(t, "1A", members["passengers"].([]any)[0].(map[string]any)["seat"])
	require.Contains(t, raw, `{"id":9,"seat":"1B","Parent":null}`, "what is not there is not sealed")

	w.forget("7")
	want := filled()
	want.Passengers[0].Name, want.BySeat["1A"].Name = "", ""
	want.Rows[0][0][3] = passenger{ID: 7}
	require.Equal(t, []any{want}, w.payloads("1"), "each passenger is a subject")

	w.forget("b-1")
	want.By, want.Mail, want.Card, want.Limit, want.Ratio, want.Photo = "", "nobody@example.org", nil, nil, 0.5, nil
	want.Since, want.Any = time.Unix(0, 0).UTC(), map[string]any{"gone": true}
	want.Untagged = `a,b <c> & "d"`
	require.Equal(t, []any{want}, w.payloads("1"))

	w.append("1", want)
	require.Equal(t, []any{want, want}, w.payloads("1"), "what was read redacted can be written again")
}

func TestAnOwnSubjectGoesBeforeThatOfWhatIsAround(t *testing.T) {
	w := typedWorld[nested](t)
	e := nested{Stamped: Stamped{By: "Clerk"}, Booker: "b-1", Passengers: []passenger{{Name: "Ada"}}}
	e.Passengers[0].ID = 7
	w.append("1", e)
	w.forget("b-1")
	require.Equal(t, "Ada", w.payloads("1")[0].(nested).Passengers[0].Name)
	require.Empty(t, w.payloads("1")[0].(nested).By)
}

type selfNamed struct {
	Owner string `json:"owner"`
	Text  string `json:"text" privacy:"personal"`
}

func (s *selfNamed) PrivacySubject() string {
	if s.Owner == "panic" {
		panic("boom")
	}
	return "o-" + s.Owner
}

func TestAMethodNamesTheSubject(t *testing.T) {
	w := typedWorld[selfNamed](t)
	w.append("1", selfNamed{"1", "mine"}, selfNamed{"2", "yours"})
	require.Equal(t, []any{selfNamed{"1", "mine"}, selfNamed{"2", "yours"}}, w.payloads("1"))
	w.forget("o-1")
	require.Equal(t, []any{selfNamed{"1", ""}, selfNamed{"2", "yours"}}, w.payloads("1"))
	_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(selfNamed{"panic", ""})...)
	require.ErrorContains(t, err, "boom")

	t.Run("of a registered pointer, too", func(t *testing.T) {
		w := typedWorld[*selfNamed](t)
		w.append("1", &selfNamed{"1", "mine"})
		require.NotContains(t, w.raw("1")[0], "mine")
		w.forget("o-1")
		require.Equal(t, []any{&selfNamed{"1", ""}}, w.payloads("1"))
	})
}

func TestPersonalDataOfNobodyIsRefused(t *testing.T) {
	for text, e := range map[string]any{
		"an empty subject":                  registered{Name: "Anna"},
		"a subject of 256 bytes":            registered{Name: "Anna", Customer: "c-" + string(make([]byte, 254))},
		"NUL in a subject":                  registered{Name: "Anna", Customer: "c\x00"},
		"a whole payload without a subject": diagnosed{Diagnosis: "melancholia"},
	} {
		t.Run(text, func(t *testing.T) {
			w := inMemory(t, nil)
			_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(noted{}, e)...)
			require.ErrorContains(t, err, "personal, and the subject")
			require.Empty(t, w.raw("1"))
		})
	}
	t.Run("but what is nobody's and says nothing is stored", func(t *testing.T) {
		w := inMemory(t, nil)
		guests := []any{registered{Name: "[forgotten]", Country: "RU"}, registered{Country: "RU"}}
		w.append("1", guests...)
		require.Equal(t, guests, w.payloads("1"))
	})
}

func TestATextThatLooksSealedIsTheUsersText(t *testing.T) {
	w := inMemory(t, nil)
	w.append("1", anna)
	copied := field(t, stored(w, "1")[0], "name")
	texts := []any{noted{"tidemark-sealed:"}, noted{"tidemark-sealed:0:"}, noted{"tidemark-sealed:1:a:b"}, noted{copied},
		noted{`a "tidemark-sealed:1:" inside`}, noted{`tidemark-sealed:\`}}
	w.append("2", texts...)
	require.Equal(t, texts, w.payloads("2"))
	w.forget("c-1")
	require.Equal(t, texts, w.payloads("2"))
}

// oddJSON writes members that the struct's tags don't tell.
type oddJSON struct{ serializer.Codec }

func (c oddJSON) Marshal(any) ([]byte, error) { return []byte(`{"CUSTOMER":"c-1","NAME":"Anna"}`), nil }

func TestACodecThatNamesFieldsInAWayOfItsOwnIsRefused(t *testing.T) {
	w := typedWorld[struct {
		Customer string `json:"customer" privacy:"subject"`
		Name     string `json:"name" privacy:"personal"`
	}](t, serializer.WithCodec(oddJSON{serializer.JSON()}))
	_, err := w.store.Append(t.Context(), stream("1"), eventstore.Any, eventstore.Events(struct {
		Customer string `json:"customer" privacy:"subject"`
		Name     string `json:"name" privacy:"personal"`
	}{})...)
	require.ErrorContains(t, err, `the codec writes "CUSTOMER"`)
}
