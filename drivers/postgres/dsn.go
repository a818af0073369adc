package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/lib/pq"
)

var (
	// errDSN keeps the parser's own words to itself: they quote parts of the string, and a password that is not escaped
	// shows up in any part.
	errDSN = errors.New("postgres: the DSN is neither a URL (postgres://user:password@host:5432/database) nor a list of " +
		"key=value pairs that lib/pq understands; in a URL, user and password must be percent-encoded. " +
		"It is not shown, because it may hold a password")

	// errNoDSN keeps a variable that is not set from looking like a server that is not there: for lib/pq no DSN is one on
	// localhost.
	errNoDSN = errors.New("postgres: the DSN is empty: name a database, as postgres://user:password@host:5432/database. " +
		"If PGHOST and the other variables that lib/pq reads name it, write postgres://")

	errEnvironment = errors.New("postgres: lib/pq does not know one of the environment variables that begin with PG, or its " +
		"value; see https://pkg.go.dev/github.com/lib/pq#NewConfig")
)

func parse(dsn string) (pq.Config, error) {
	if strings.TrimSpace(dsn) == "" {
		return pq.Config{}, errNoDSN
	}
	config, err := pq.NewConfig(dsn)
	if err != nil {
		return config, explainDSN(dsn)
	}
	return config, nil
}

// explainDSN says what is wrong with a DSN that can't be parsed.
func explainDSN(dsn string) error {
	if !understood("user=x") {
		return errEnvironment
	}
	if wrong := wrongSettings(dsn); len(wrong) > 0 {
		return fmt.Errorf("postgres: lib/pq does not take the value that the DSN gives to %s. "+
			"It is not shown, because the DSN may hold a password", strings.Join(wrong, " and "))
	}
	return errDSN
}

func understood(dsn string) bool {
	_, err := pq.NewConfig(dsn)
	return err == nil
}

// setting is one that takes certain values only, with one of them.
type setting struct{ key, right string }

// choices are all such settings, save for hostaddr, whose right value depends on host.
var choices = []setting{{"sslmode", "verify-full"}, {"port", "5432"}, {"connect_timeout", "10"},
	{"target_session_attrs", "any"}, {"load_balance_hosts", "disable"}, {"client_encoding", "UTF8"}, {"binary_parameters", "yes"},
	{"disable_prepared_binary_result", "no"}, {"sslnegotiation", "postgres"}, {"sslsni", "1"}, {"sslinline", "no"},
	{"ssl_min_protocol_version", "TLSv1.2"}, {"ssl_max_protocol_version", "TLSv1.3"},
	{"min_protocol_version", "3.0"}, {"max_protocol_version", "3.0"}}

// wrongSettings returns the settings whose values keep a DSN from being understood: those without which it is not, while
// with all of them put right it is.
func wrongSettings(dsn string) (wrong []string) {
	if !understood(putRight(dsn, choices)) {
		return nil
	}
	for i, s := range choices {
		if others := slices.Delete(slices.Clone(choices), i, i+1); !understood(putRight(dsn, others)) {
			wrong = append(wrong, s.key)
		}
	}
	return wrong
}

func putRight(dsn string, settings []setting) string {
	for _, s := range settings {
		if u, ok := withQuery(dsn, s); ok {
			dsn = u
		} else {
			dsn += " " + s.key + "=" + s.right // of two values the last counts
		}
	}
	return dsn
}

// toPrimary has a DSN that names several hosts lead to the one that is no standby, unless the DSN or the environment say
// themselves which it is to be.
func toPrimary(dsn string, config pq.Config) string {
	if !choosesHost(config) {
		return dsn
	}
	primary := setting{"target_session_attrs", string(pq.TargetSessionAttrsPrimary)}
	if u, ok := withQuery(dsn, primary); ok {
		return u
	}
	return primary.key + "=" + primary.right + " " + dsn // at the end it might be taken for a value that is empty
}

func choosesHost(config pq.Config) bool {
	return len(config.Multi) > 0 && config.TargetSessionAttrs == ""
}

// withQuery returns a URL with a setting; ok is false if the DSN is none.
func withQuery(dsn string, s setting) (changed string, ok bool) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return dsn, false
	}
	q := u.Query()
	q.Set(s.key, s.right)
	u.RawQuery = q.Encode()
	u.Path = cmp.Or(u.Path, "/") // without any, String leaves the slashes of postgres:// out
	return u.String(), true
}
