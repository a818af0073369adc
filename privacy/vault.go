package privacy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/serializer"
)

// KeyStore keeps the subjects' keys. Those of drivers/memory, drivers/sqlite and drivers/postgres are drivers opened on
// the database that is to have the keys, which need not be the one that has the events.
type KeyStore = driver.KeyStore

// Options adjusts a Vault. The zero value works.
type Options struct {
	// Previous are master keys that were used before. They open keys that have not been wrapped by the current one yet.
	// Default: none.
	Previous []MasterKey
	// CacheFor is how long a subject's key is used before it is asked for again, and so the time after which a process
	// honours what another one forgot. This process honours its own Forget at once. Default: 1 minute.
	CacheFor time.Duration
	// CacheSize is the number of subjects whose keys are kept in memory. Default: 10,000, which take some 10 MB.
	CacheSize int
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Vault seals personal data on its way into the database, and opens it on its way out for as long as its subject is not
// forgotten. It is an eventstore.Protector and safe for concurrent use.
type Vault struct {
	reg    *serializer.Registry
	keys   KeyStore
	tx     driver.Transactor // of keys; nil if it has no transactions
	master MasterKey
	others map[string]MasterKey // by id
	now    func() time.Time
	cache  *cache
	shapes sync.Map // of shape, by reflect.Type
}

var _ eventstore.Protector = (*Vault)(nil)

// Open returns a vault for the types in a registry, which keeps the subjects' keys in a key store, wrapped by a master
// key. The key store stays the caller's to close, after the event store.
//
// A mistake in the privacy tags of a registered type is returned here, and so is a master key that does not open the first
// key in the key store: ErrMasterKey. The others are not tried.
func Open(ctx context.Context, reg *serializer.Registry, keys KeyStore, master MasterKey, opts *Options) (*Vault, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := check(reg, keys, master, &o); err != nil {
		return nil, err
	}
	v := &Vault{reg: reg, keys: keys, master: master, others: map[string]MasterKey{master.id: master}, now: o.Now}
	for _, k := range o.Previous {
		v.others[k.id] = k
	}
	if v.now == nil {
		v.now = time.Now
	}
	v.tx, _ = keys.(driver.Transactor)
	v.cache = newCache(cmp.Or(o.CacheSize, 10_000), cmp.Or(o.CacheFor, time.Minute))
	if err := errors.Join(v.checkTypes(), v.tryMaster(ctx)); err != nil {
		return nil, err
	}
	return v, nil
}

func check(reg *serializer.Registry, keys KeyStore, master MasterKey, o *Options) error {
	switch {
	case reg == nil:
		return errors.New("privacy: Open needs a registry")
	case keys == nil:
		return errors.New("privacy: Open needs a key store")
	case o.CacheFor < 0 || o.CacheSize < 0:
		return fmt.Errorf("privacy: CacheFor %v and CacheSize %d must not be negative", o.CacheFor, o.CacheSize)
	}
	for _, k := range append([]MasterKey{master}, o.Previous...) {
		if k.id == "" {
			return fmt.Errorf("%w: it is the zero value: make one with NewMasterKey, and read it with ParseMasterKey", ErrMasterKey)
		}
	}
	return nil
}

// checkTypes finds mistakes in the tags of the registered types.
func (v *Vault) checkTypes() error {
	var errs []error
	for _, t := range v.reg.Types() {
		if _, err := v.shapeOf(t); err != nil {
			errs = append(errs, fmt.Errorf("privacy: %w", err))
		}
	}
	return errors.Join(errs...)
}

// tryMaster opens one of the keys that are there. A damaged one says nothing about the master key, and must not keep Rewrap or
// Forget from being called.
func (v *Vault) tryMaster(ctx context.Context) error {
	for k, err := range v.all(ctx) {
		if err != nil {
			return err
		}
		if k.Forgotten() {
			continue
		}
		if _, err := v.unwrap(k); !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	return nil
}
