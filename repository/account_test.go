package repository_test

import (
	"errors"
	"fmt"

	"github.com/tidemark-go/tidemark/aggregate"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/repository"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

type accountEvent interface{ accountEvent() }

type (
	deposited struct{ Amount int }
	withdrawn struct{ Amount int }
	forgotten struct{ Amount int } // an event that nobody registered
	doubled   struct{}             // one that apply panics on
)

func (deposited) accountEvent() {}
func (withdrawn) accountEvent() {}
func (forgotten) accountEvent() {}
func (doubled) accountEvent()   {}

// rained is registered and no account's event.
type rained struct{}

// accountState is an account's whole state. Trail depends on the order of the events, so that a load that mixes them up
// shows.
type accountState struct {
	Balance int
	Trail   uint32
}

func (s *accountState) add(amount int) {
	s.Balance += amount
	s.Trail = s.Trail*31 + uint32(amount)
}

type account struct {
	aggregate.Root[accountEvent]
	state accountState
}

func newAccount(id string) *account {
	a := new(account)
	a.Init(id, a.apply)
	return a
}

func (a *account) apply(e accountEvent) {
	switch e := e.(type) {
	case deposited:
		a.state.add(e.Amount)
	case withdrawn:
		a.state.add(-e.Amount)
	case doubled:
		a.state.add(a.state.Balance)
		panic("no such event")
	}
}

func (a *account) deposit(amount int) { a.Record(deposited{Amount: amount}) }

var errOverdrawn = errors.New("the account has not that much")

func (a *account) withdraw(amount int) error {
	if amount > a.state.Balance {
		return errOverdrawn
	}
	a.Record(withdrawn{Amount: amount})
	return nil
}

func (a *account) Snapshot() (any, error) { return a.state, nil }

func (a *account) Restore(state any) error {
	s, ok := state.(accountState)
	if !ok {
		return fmt.Errorf("an account can't be restored from a %T", state)
	}
	a.state = s
	return nil
}

func deposit(amount int) func(*account) error {
	return func(a *account) error {
		a.deposit(amount)
		return nil
	}
}

// plain is an account without snapshots.
type plain struct {
	aggregate.Root[accountEvent]
	balance int
}

func newPlain(id string) *plain {
	p := new(plain)
	p.Init(id, func(e accountEvent) {
		if e, ok := e.(deposited); ok {
			p.balance += e.Amount
		}
	})
	return p
}

func newRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[deposited](reg, "account.deposited", serializer.Version(2))
	serializer.Register[withdrawn](reg, "account.withdrawn")
	serializer.Register[rained](reg, "weather.rained")
	serializer.Register[accountState](reg, "account.state")
	return reg
}

// The account's events as an older program wrote them.
type (
	oldDeposited struct{ Cents int }
	oldMoved     struct{ In, Out int }
	oldPinged    struct{}
)

func newOldRegistry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[oldDeposited](reg, "account.deposited")
	serializer.Register[oldMoved](reg, "account.moved")
	serializer.Register[oldPinged](reg, "account.pinged")
	return reg
}

// upcasters carries the old events forward: a deposit changes its field, a move becomes two events, a ping none.
func upcasters() (*upcaster.Chain, error) {
	depositedV2, withdrawnV1 := upcaster.V("account.deposited", 2), upcaster.V("account.withdrawn", 1)
	return upcaster.New(
		upcaster.Struct(upcaster.V("account.deposited", 1), depositedV2,
			func(old oldDeposited) (deposited, error) { return deposited{Amount: old.Cents}, nil }),
		upcaster.Split(upcaster.V("account.moved", 1), []upcaster.Type{depositedV2, withdrawnV1},
			func(e upcaster.Event, c upcaster.Codec) ([]upcaster.Event, error) {
				var old oldMoved
				if err := c.Unmarshal(e.Data, &old); err != nil {
					return nil, err
				}
				in, errIn := c.Marshal(deposited{Amount: old.In})
				out, errOut := c.Marshal(withdrawn{Amount: old.Out})
				return []upcaster.Event{{Type: depositedV2, Data: in}, {Type: withdrawnV1, Data: out}}, errors.Join(errIn, errOut)
			}),
		upcaster.Drop(upcaster.V("account.pinged", 1)),
	)
}

func newAccounts(store *eventstore.Store, opts *repository.Options) (*repository.Repository[*account], error) {
	return repository.New(store, "account", newAccount, opts)
}
