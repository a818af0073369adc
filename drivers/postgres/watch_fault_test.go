package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// Nobody sends anything to one who listens, so that he would not notice that the connection is dead.
func TestAWatchOnASilentConnectionEnds(t *testing.T) {
	t.Parallel()
	p := fault.Start(t, pgtest.DSN(t))
	s, err := Open(t.Context(), p.DSN(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	s.news.pings = pings{interval: 50 * time.Millisecond, patience: 200 * time.Millisecond}
	woken, ended := make(chan struct{}, 1), make(chan error)
	watch := func() { ended <- s.Watch(t.Context(), func() { woken <- struct{}{} }) }
	go watch()
	<-woken
	p.Silence()
	require.ErrorIs(t, <-ended, driver.ErrUnavailable)
	p.Heal()
	go watch()
	<-woken
	p.Cut()
	require.ErrorIs(t, <-ended, driver.ErrUnavailable)
}
