package postgres_test

import (
	"cmp"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

func TestASettingThatIsNotTakenIsNamed(t *testing.T) {
	for dsn, names := range map[string]string{
		"postgres://user:s3cr3t@host/db?sslmode=bogus":                      "gives to sslmode.",
		"postgres://user:s3cr3t@host:1/db?connect_timeout=5s":               "gives to connect_timeout.",
		"postgres://host/db?port=abc":                                       "gives to port.",
		"postgres://a,b,c/db?port=1,2":                                      "gives to port.",
		"postgres://?sslmode=on":                                            "gives to sslmode.",
		"host=h password='s3cr3t' port=abc":                                 "gives to port.",
		"host=h password=s3cr3t sslmode=bogus target_session_attrs=master":  "gives to sslmode and target_session_attrs.",
		"host=h binary_parameters=maybe":                                    "gives to binary_parameters.",
		"host=h client_encoding=LATIN1":                                     "gives to client_encoding.",
		"host=h min_protocol_version=3.2":                                   "gives to min_protocol_version.",
		"postgres://user:s3c:r3t@host:port/db?sslmode=bogus":                "neither a URL",
		"host=h sslmode=bogus password='s3cr3t":                             "neither a URL",
		"host=h password=s3cr3t s3cr3t":                                     "neither a URL",
		"mysql://user:s3cr3t@host/db":                                       "neither a URL",
		"host=h sslmode=disable password=s3cr3t\\":                          "neither a URL",
		"postgres://user:s3cr3t@host/db?hostaddr=localhost&sslmode=disable": "neither a URL",
	} {
		s, err := postgres.New(connect(t, "postgres://127.0.0.1:1/db"), &postgres.Options{ListenDSN: dsn})
		require.NoError(t, err)
		_, err = postgres.Open(t.Context(), dsn, nil)
		require.ErrorContains(t, err, names, dsn)
		require.NotContains(t, err.Error(), "s3cr3t")
		require.False(t, eventstore.Retryable(err))
		require.ErrorContains(t, s.Watch(t.Context(), func() {}), names, dsn)
		require.NoError(t, s.Close())
	}
}

// environment sets the variables that stand for a DSN.
func environment(t *testing.T, dsn string) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	password, _ := u.User.Password()
	t.Setenv("PGHOST", cmp.Or(u.Query().Get("host"), u.Hostname()))
	t.Setenv("PGPORT", cmp.Or(u.Query().Get("port"), u.Port(), "5432"))
	t.Setenv("PGUSER", u.User.Username())
	t.Setenv("PGPASSWORD", password)
	t.Setenv("PGDATABASE", u.Path[1:])
	t.Setenv("PGSSLMODE", cmp.Or(u.Query().Get("sslmode"), "require"))
}

func TestAnEmptyDSNIsRefusedUnlessTheEnvironmentIsMeant(t *testing.T) {
	dsn := pgtest.DSN(t)
	environment(t, dsn)
	for _, empty := range []string{"", " \n"} {
		_, err := postgres.Open(t.Context(), empty, nil)
		require.ErrorContains(t, err, "the DSN is empty")
		require.False(t, eventstore.Retryable(err))
	}
	database := get[string](t, connect(t, dsn), `SELECT current_database()`)
	require.Equal(t, database, get[string](t, open(t, "postgres://", nil).DB(), `SELECT current_database()`))
	t.Setenv("PGSSLMODE", "bogus")
	_, err := postgres.Open(t.Context(), "postgres://", nil)
	require.ErrorContains(t, err, "environment variables that begin with PG")
}
