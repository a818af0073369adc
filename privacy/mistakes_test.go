package privacy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/privacy"
	"github.com/tidemark-go/tidemark/serializer"
)

type ownJSON struct {
	ID   string `privacy:"subject"`
	Name string `privacy:"personal"`
}

func (ownJSON) MarshalJSON() ([]byte, error) { return []byte(`"x"`), nil }

type wrapsOwnJSON struct {
	ID   string `json:"id" privacy:"subject"`
	Self map[string][]*ownJSON
}

type deepOwnJSON struct {
	ID    string `json:"id" privacy:"subject"`
	Inner opaqueOuter
}

type opaqueOuter struct{ Inner struct{ Deep []ownJSON } }

func (opaqueOuter) MarshalText() ([]byte, error) { return nil, nil }

type onlySubject struct{ ID string }

func (onlySubject) PrivacySubject() string { return "x" }

type recursive struct {
	Name     string      `json:"name" privacy:"personal"`
	Children []recursive `json:"children"`
}

type clashing struct {
	ID string `json:"id" privacy:"subject"`
	Stamped
	By2 string `json:"by"`
}

type embedsPersonal struct {
	ID      string `json:"id" privacy:"subject"`
	Stamped `privacy:"personal"`
}

func mistake[T any](reg *serializer.Registry) { serializer.Register[T](reg, "mistake") }

func TestMistakesInTagsAreFoundWhenTheVaultIsOpened(t *testing.T) {
	for want, register := range map[string]func(reg *serializer.Registry){
		`the tag privacy:"personel" makes no sense`: mistake[struct {
			Name string `privacy:"personel"`
		}],
		`the tag privacy:"subject,fallback=x" makes no sense`: mistake[struct {
			Name string `privacy:"subject,fallback=x"`
		}],
		`the tag privacy:"personal,redacted" makes no sense`: mistake[struct {
			Name string `privacy:"personal,redacted"`
		}],
		"nothing says whose it is": mistake[struct {
			Name string `privacy:"personal"`
		}],
		`field "name" of privacy_test.recursive is personal, and nothing says whose it is`: mistake[recursive],
		`"A" is tagged as the subject, too`: mistake[struct {
			A, B string `privacy:"subject"`
		}],
		"it is unexported": mistake[struct {
			ID   string `privacy:"subject"`
			name string `privacy:"personal"`
		}],
		"or its json tag leaves it out": mistake[struct {
			ID   string `json:"-" privacy:"subject"`
			Name string `privacy:"personal"`
		}],
		"its fallback \"young\" does not fit": mistake[struct {
			ID  string `privacy:"subject"`
			Age int    `privacy:"personal,fallback=young"`
		}],
		"its zero value can't be written as JSON": mistake[struct {
			ID   string   `privacy:"subject"`
			Call chan int `privacy:"personal"`
		}],
		"ownJSON has privacy tags in it":                   mistake[wrapsOwnJSON],
		"opaqueOuter has privacy tags in it":               mistake[deepOwnJSON],
		"has a method PrivacySubject and nothing personal": mistake[onlySubject],
		`another field is written as "by", too`:            mistake[clashing],
		"its fields are written one by one":                mistake[embedsPersonal],
	} {
		t.Run(want, func(t *testing.T) {
			reg := newRegistry()
			register(reg)
			require.NoError(t, reg.Err())
			_, err := privacy.Open(t.Context(), reg, memory.New(), privacy.NewMasterKey(), nil)
			require.ErrorContains(t, err, want)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		reg := newRegistry()
		serializer.Register[recursive](reg, "one")
		serializer.Register[onlySubject](reg, "two")
		_, err := privacy.Open(t.Context(), reg, memory.New(), privacy.NewMasterKey(), nil)
		require.ErrorContains(t, err, "recursive")
		require.ErrorContains(t, err, "onlySubject")
	})
}

func TestOpenNeedsWhatItCantDoWithout(t *testing.T) {
	for want, open := range map[string]func() (*privacy.Vault, error){
		"needs a registry": func() (*privacy.Vault, error) {
			return privacy.Open(t.Context(), nil, memory.New(), privacy.NewMasterKey(), nil)
		},
		"needs a key store": func() (*privacy.Vault, error) {
			return privacy.Open(t.Context(), newRegistry(), nil, privacy.NewMasterKey(), nil)
		},
		"must not be negative": func() (*privacy.Vault, error) {
			return privacy.Open(t.Context(), newRegistry(), memory.New(), privacy.NewMasterKey(), &privacy.Options{CacheFor: -1})
		},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := open()
			require.ErrorContains(t, err, want)
		})
	}
}
