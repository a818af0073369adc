package postgres_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/drivertest"
	"github.com/tidemark-go/tidemark/internal/fault"
	"github.com/tidemark-go/tidemark/internal/pgtest"
	"github.com/tidemark-go/tidemark/internal/torture"
)

func TestHistoriesWithPQ(t *testing.T)  { histories(t, openPQ) }
func TestHistoriesWithPGX(t *testing.T) { histories(t, openPGX) }

// The network between the clients and the server cuts every connection now and then, and some of them after a commit and
// before its answer.
func TestHistoriesThroughANetworkThatFails(t *testing.T) {
	p := fault.Start(t, pgtest.DSN(t))
	drivertest.RunHistories(t, opener(p.DSN(), openPQ), &drivertest.HistoryOptions{Duration: torture.Length(t, 0),
		Rounds: 1, Disturb: func(ctx context.Context) error {
			for ctx.Err() == nil {
				lost := p.CutAfter("INSERT")
				for range 3 {
					select {
					case <-ctx.Done():
					case <-time.After(rand.N(200 * time.Millisecond)):
					}
					p.Cut()
				}
				select {
				case <-ctx.Done():
				case <-lost:
				}
			}
			return nil
		}})
}

func histories(t *testing.T, open openStore) {
	drivertest.RunHistories(t, opener(pgtest.DSN(t), open), &drivertest.HistoryOptions{Duration: torture.Length(t, 0)})
}
