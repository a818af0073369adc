package privacy

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// rings returns the ring of each subject that has one or is forgotten. A transaction of the key store's has nothing to do
// with the cache: what it sees may be rolled back, and what others saw meanwhile it may have changed.
func (v *Vault) rings(ctx context.Context, subjects map[string]bool) (map[string]*ring, error) {
	if v.inTransaction(ctx) {
		return v.load(ctx, slices.Collect(maps.Keys(subjects)))
	}
	now := v.now()
	rings, missing, epoch := v.cache.get(subjects, now)
	loaded, err := v.load(ctx, missing)
	if err != nil {
		return nil, err
	}
	v.cache.put(loaded, now, epoch)
	maps.Copy(rings, loaded)
	return rings, nil
}

// withNew returns the ring of each subject. One that has no keys gets its first.
func (v *Vault) withNew(ctx context.Context, subjects map[string]bool) (map[string]*ring, error) {
	rings, err := v.rings(ctx, subjects)
	if err != nil || len(rings) == len(subjects) {
		return rings, err
	}
	var added []driver.Key
	for subject := range subjects {
		if rings[subject] == nil {
			added = append(added, driver.Key{Subject: subject, Revision: 1, UpdatedAt: v.time(),
				Wrapped: v.master.wrap(subject, newSecret())})
		}
	}
	// In one order everywhere, so that two callers who add the same keys don't wait for each other.
	slices.SortFunc(added, func(a, b driver.Key) int { return strings.Compare(a.Subject, b.Subject) })
	if err := v.keys.AddKeys(v.keyContext(ctx), added); err != nil {
		return nil, fmt.Errorf("privacy: add keys: %w", err)
	}
	rings, err = v.rings(ctx, subjects) // somebody else's, where they came first
	if err == nil && len(rings) != len(subjects) {
		err = fmt.Errorf("%w: the key store does not have keys that were just added", ErrNoKey)
	}
	return rings, err
}

func newSecret() []byte {
	secret := make([]byte, keySize)
	rand.Read(secret) //nolint:errcheck // never fails
	return secret
}

// load asks the key store, if there is anything to ask for.
func (v *Vault) load(ctx context.Context, subjects []string) (map[string]*ring, error) {
	if len(subjects) == 0 {
		return map[string]*ring{}, nil
	}
	slices.Sort(subjects)
	keys, err := v.keys.LoadKeys(v.keyContext(ctx), subjects)
	if err != nil {
		return nil, fmt.Errorf("privacy: load keys: %w", err)
	}
	rings := make(map[string]*ring, len(keys))
	for _, k := range keys {
		if k.Forgotten() {
			rings[k.Subject] = &ring{subject: k.Subject, forgotten: true}
			continue
		}
		secrets, err := v.unwrap(k)
		if err != nil {
			return nil, err
		}
		rings[k.Subject] = newRing(k.Subject, secrets)
	}
	return rings, nil
}

// unwrap returns the secrets of a key, the oldest first.
func (v *Vault) unwrap(k driver.Key) ([]byte, error) {
	id, box, err := wrappedBy(k.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("key of subject %q: %w", k.Subject, err)
	}
	master, ok := v.others[id]
	if !ok {
		return nil, fmt.Errorf("%w: the key of subject %q needs master key %s, and this vault has %s: add the right one to "+
			"Options.Previous, or open the key store that belongs to this one", ErrMasterKey, k.Subject, id, v.master.id)
	}
	secrets, err := master.unwrap(k.Subject, box)
	if err != nil {
		return nil, fmt.Errorf("key of subject %q: %w", k.Subject, err)
	}
	return secrets, nil
}

// all goes through the key store.
func (v *Vault) all(ctx context.Context) iter.Seq2[driver.Key, error] {
	return func(yield func(driver.Key, error) bool) {
		for after := ""; ; {
			page, err := v.keys.ListKeys(v.keyContext(ctx), after, listPage)
			if err != nil {
				yield(driver.Key{}, fmt.Errorf("privacy: list keys after subject %q: %w", after, err))
				return
			}
			for _, k := range page {
				if !yield(k, nil) {
					return
				}
				after = k.Subject
			}
			if len(page) < listPage {
				return
			}
		}
	}
}

const listPage = 500

// inTransaction reports whether ctx carries a transaction of the key store's database.
func (v *Vault) inTransaction(ctx context.Context) bool {
	if v.tx == nil {
		return false
	}
	in, err := v.tx.InTransaction(ctx)
	return in && err == nil
}

// keyContext returns the context to call the key store with. A transaction of another database, such as that of the
// events, is none of its business, and it would refuse it.
func (v *Vault) keyContext(ctx context.Context) context.Context {
	if v.tx == nil || v.inTransaction(ctx) {
		return ctx
	}
	return valueless{ctx}
}

// valueless ends with its context and knows nothing else of it.
type valueless struct{ context.Context }

// Value implements context.Context.
func (valueless) Value(any) any { return nil }

// time is the clock's, as key stores keep it.
func (v *Vault) time() time.Time { return v.now().UTC().Truncate(time.Microsecond) }
