package postgres_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// turnToStandby restarts a server as a standby, which hears no more of any primary.
func turnToStandby(t *testing.T, c *pgtest.Cluster) {
	t.Helper()
	db := connect(t, c.DSN("postgres"))
	folder := get[string](t, db, `SHOW data_directory`)
	require.NoError(t, db.Close())
	require.NoError(t, c.Stop())
	require.NoError(t, os.WriteFile(filepath.Join(folder, "standby.signal"), nil, 0o644))
	require.NoError(t, c.Start(t.Context()))
}

// hosts returns a connection string that names several servers, in this order.
func hosts(t *testing.T, clusters ...*pgtest.Cluster) string {
	t.Helper()
	var names []string
	for _, c := range clusters {
		u, err := url.Parse(c.DSN("postgres"))
		require.NoError(t, err)
		names = append(names, u.Query().Get("host"))
	}
	return with(clusters[0].DSN("postgres"), "host", strings.Join(names, ","))
}

// pairs turns a URL into key=value pairs.
func pairs(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	list := []string{"user=" + u.User.Username(), "dbname=" + u.Path[1:]}
	for key, values := range u.Query() {
		list = append(list, key+"="+values[0])
	}
	return strings.Join(append(list, "password="), " ")
}

func TestAStandbyIsNoPlaceToReadTheLog(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartCluster(t, nil)
	s := open(t, cluster.DSN("postgres"), nil)
	commit(t, t.Context(), s, appends(order("a"), driver.Any, 2))
	require.Len(t, readAll(t, t.Context(), s, 0).Records, 2)
	turnToStandby(t, cluster)
	s.DB().SetMaxIdleConns(0) // lets go of the connections that broke

	stranger := open(t, cluster.DSN("postgres"), nil)
	for name, s := range map[string]*postgres.Store{"knows the mark": s, "does not": stranger} {
		require.Len(t, readStream(t, t.Context(), s, order("a")), 2, name)
		for _, types := range [][]string{nil, {"order.placed"}, {"none"}} {
			_, err := s.ReadAll(t.Context(), driver.AllQuery{Limit: 1, MaxBytes: 1, Types: types})
			require.ErrorContains(t, err, "this server is a standby", "%s: %v", name, types)
		}
	}
}

func TestOfSeveralHostsThePrimaryIsTaken(t *testing.T) {
	t.Parallel()
	primary, standby := pgtest.StartCluster(t, nil), pgtest.StartCluster(t, nil)
	limited := strings.Replace(grants(t), "orders_service LOGIN", "orders_service CONNECTION LIMIT 1 LOGIN", 1)
	for _, c := range []*pgtest.Cluster{primary, standby} {
		open(t, c.DSN("postgres"), nil).DB().MustExec(limited)
	}
	turnToStandby(t, standby)

	for name, dsn := range map[string]string{"as a URL": hosts(t, standby, primary), "as pairs": pairs(t, hosts(t, standby, primary))} {
		t.Run(name, func(t *testing.T) {
			s := open(t, dsn, nil)
			commit(t, t.Context(), s, appends(order("a"), driver.Any, 1))
			watch(t, s) // which nobody can on a standby
		})
	}
	t.Run("while it has too many clients as well", func(t *testing.T) {
		s := open(t, as(t, hosts(t, primary, standby), "orders_service"), nil)
		only, err := s.DB().Connx(t.Context())
		require.NoError(t, err)
		_, err = s.ReadStream(t.Context(), driver.StreamQuery{Stream: order("a"), From: 1, Limit: 1, MaxBytes: 1})
		require.ErrorIs(t, err, driver.ErrUnavailable)
		require.NoError(t, only.Close())
	})
	t.Run("or none", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), hosts(t, standby, standby), nil)
		require.ErrorIs(t, err, driver.ErrUnavailable)
		require.ErrorContains(t, err, "none of the hosts is a primary")
	})
	t.Run("unless the DSN wants another", func(t *testing.T) {
		for wish, isStandby := range map[string]bool{"any": true, "standby": true, "primary": false} {
			s := open(t, with(hosts(t, standby, primary), "target_session_attrs", wish), nil)
			require.Equal(t, isStandby, get[bool](t, s.DB(), `SELECT pg_is_in_recovery()`), wish)
		}
	})
}

// replicate has one database of a cluster follow the events of another, from now on.
func replicate(t *testing.T, c *pgtest.Cluster, from, to string) {
	t.Helper()
	u, err := url.Parse(c.DSN(from))
	require.NoError(t, err)
	publisher, subscriber := connect(t, c.DSN(from)), connect(t, c.DSN(to))
	publisher.MustExec(`CREATE PUBLICATION events FOR TABLE tidemark.events`)
	publisher.MustExec(`SELECT pg_create_logical_replication_slot('events', 'pgoutput')`)
	subscriber.MustExec(`CREATE SUBSCRIPTION events CONNECTION 'host=` + u.Query().Get("host") + ` user=tidemark dbname=` + from + `'
		PUBLICATION events WITH (create_slot = false, slot_name = 'events', copy_data = false)`)
}

// What replication stores becomes visible in the order of the commits, and under no lock.
func TestATableThatReplicationFillsIsNoPlaceToReadTheLog(t *testing.T) {
	t.Parallel()
	c := pgtest.StartCluster(t, map[string]string{"wal_level": "logical"})
	connect(t, c.DSN("postgres")).MustExec(`CREATE DATABASE copy`)
	s, replica := open(t, c.DSN("postgres"), nil), open(t, c.DSN("copy"), nil)
	replicate(t, c, "postgres", "copy")

	early := begin(t, s)
	early.commit(s, appends(order("early"), driver.Any, 1))
	commit(t, t.Context(), s, appends(order("late"), driver.Any, 1))
	eventually(t, func() bool { return len(readStream(t, t.Context(), replica, order("late"))) == 1 }, "the replica has it")
	_, err := replica.ReadAll(t.Context(), driver.AllQuery{Limit: 1, MaxBytes: 1})
	require.ErrorContains(t, err, "stands below the highest global_position")
	err = replica.Transact(t.Context(), func(ctx context.Context) error {
		_, err := replica.ReadAll(ctx, driver.AllQuery{Limit: 1, MaxBytes: 1})
		return err
	})
	require.ErrorContains(t, err, "a table that replication fills")
	_, err = postgres.Open(t.Context(), c.DSN("copy"), nil)
	require.ErrorContains(t, err, "stands below the highest global_position")
	early.commits()
}
