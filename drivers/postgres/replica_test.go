package postgres_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/postgres"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

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
