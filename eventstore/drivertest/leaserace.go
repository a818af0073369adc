package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// oneAcquirerWins has many acquire a lease at once: first one that is not there, then one whose owner's time is over.
func oneAcquirerWins(p *probe) {
	const acquirers = 2 * racers
	handles, token := p.handlePair(), int64(0)
	for round := range 10 {
		now := someTime.Add(time.Duration(round) * leaseTime)
		leases, errs := make([]driver.Lease, acquirers), make([]error, acquirers)
		p.together(acquirers, func(ctx context.Context, i int) error {
			leases[i], errs[i] = handles[i%2].acquire(ctx, "a", fmt.Sprintf("%d-%d", round, i), now)
			return nil
		})
		var won []driver.Lease
		for i, err := range errs {
			var held *driver.HeldError
			if err == nil {
				won = append(won, leases[i])
			} else if !errors.As(err, &held) {
				p.fail("acquire a lease that others acquire at the same time: want a *driver.HeldError, got %v", brief(err))
			}
		}
		p.equal(1, len(won), "owners, of %d that acquired a lease at once", acquirers)
		p.that(won[0].Token > token, "a new owner's token is %d, the one before was %d", won[0].Token, token)
		token = won[0].Token
	}
}

// clock is a time that all owners share. It moves on in leaps, so that leases end while their owners still work.
type clock struct{ leaps atomic.Int64 }

func (c *clock) now() time.Time { return someTime.Add(time.Duration(c.leaps.Load()) * leaseTime / 4) }
func (c *clock) leap()          { c.leaps.Add(1) }

// move is a lease that was saved.
type move struct{ to, token int64 }

// tokensInOrder has owners take a lease from each other. Whatever happens, each position follows from the one before it,
// and no owner saves after one with a higher token has.
func tokensInOrder(p *probe) {
	const each = 40
	handles := p.handlePair()
	var c clock
	var mu sync.Mutex
	var moves []move
	p.together(racers, func(ctx context.Context, i int) error {
		for range each {
			m, err := handles[i%2].moveOnce(ctx, fmt.Sprint(i), &c)
			if err != nil {
				return err
			}
			if m.to > 0 {
				mu.Lock()
				moves = append(moves, m)
				mu.Unlock()
			}
		}
		return nil
	})
	slices.SortFunc(moves, func(a, b move) int { return int(a.to - b.to) })
	p.that(len(moves) > 0, "nobody moved the lease")
	for i, m := range moves {
		p.equal(int64(i+1), m.to, "position that was saved as number %d", i+1)
		p.that(i == 0 || m.token >= moves[i-1].token, "position %d was saved with token %d, the one before it with token %d",
			m.to, m.token, moves[max(i-1, 0)].token)
	}
}

// moveOnce moves the lease by one, if it can be had and is not lost meanwhile.
func (h *handle) moveOnce(ctx context.Context, owner string, c *clock) (move, error) {
	lease, err := h.acquire(ctx, "a", owner, c.now())
	var held *driver.HeldError
	if errors.As(err, &held) {
		c.leap()
		return move{}, nil
	}
	if err != nil {
		return move{}, err
	}
	from := lease.Position
	lease.Position++
	switch err := h.saveLease(ctx, lease, from, c.now()); {
	case err == nil:
		return move{lease.Position, lease.Token}, nil
	case errors.Is(err, driver.ErrLeaseLost):
		return move{}, nil
	default:
		return move{}, err
	}
}
