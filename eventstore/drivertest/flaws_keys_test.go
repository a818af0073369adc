package drivertest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// overwrites has a key store store a key whatever is there.
func overwrites(ctx context.Context, b *broken, k driver.Key) error {
	return b.keep(ctx, "key", "key "+k.Subject, func(any) (any, error) { return clonedKey(k), nil })
}

func keyFlaws() []flaw {
	return []flaw{
		{name: "it cuts keys", catches: []catch{{"KeyStore/a key comes back as it was added, whatever it holds", "want"}},
			spoil: func(b *broken) {
				b.keys.add = func(ctx context.Context, keys []driver.Key) error {
					keys = slices.Clone(keys)
					for i := range keys {
						keys[i].Wrapped = keys[i].Wrapped[:min(len(keys[i].Wrapped), 100)]
					}
					return b.toyHandle.AddKeys(ctx, keys)
				}
			}},
		{name: "it adds a key at the revision that the caller's has", catches: []catch{
			{"KeyStore/a key begins at revision 1, whatever the caller's says", "revision of"},
		}, spoil: func(b *broken) {
			b.keys.add = func(ctx context.Context, keys []driver.Key) error {
				for _, k := range keys {
					if stored, err := b.toyHandle.LoadKeys(ctx, []string{k.Subject}); err != nil || len(stored) > 0 {
						continue
					}
					if err := overwrites(ctx, b, k); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{name: "it adds over what is there", catches: []catch{
			{"KeyStore/adding again changes nothing", `key of b: want`},
			{"KeyStore/who adds a key at once with others finds the same as they", "compared with another's"},
			{"KeyStore/what is forgotten stays forgotten", "the key of a forgotten subject was replaced"},
		}, spoil: func(b *broken) {
			b.keys.add = func(ctx context.Context, keys []driver.Key) error {
				for _, k := range keys {
					if err := overwrites(ctx, b, k); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{name: "it looks at the revision of a key before it waits for its turn", catches: []catch{
			{"KeyStore/one of many that replace a key at once does", "racers that replaced revision"},
		}, spoil: func(b *broken) {
			meet := meeting(10 * time.Millisecond)
			b.keys.replace = func(ctx context.Context, k driver.Key) (bool, error) {
				stored, err := b.toyHandle.LoadKeys(ctx, []string{k.Subject})
				if err != nil || len(stored) == 0 || stored[0].Revision != k.Revision-1 {
					return false, err
				}
				meet()
				return true, overwrites(ctx, b, k)
			}
		}},
		{name: "it deletes the row of who is forgotten", catches: []catch{
			{"KeyStore/what is forgotten stays forgotten", "had a key when it was forgotten: want false, got true"},
			{"KeyStore/nothing is left of a key that is forgotten at once with others' changes", "keys are left"},
		}, spoil: func(b *broken) {
			b.keys.forget = func(ctx context.Context, subject string, _ time.Time) (bool, error) {
				return true, b.keep(ctx, "key", "key "+subject, func(any) (any, error) { return deleted{}, nil })
			}
		}},
		{name: "it orders subjects without regard to case", catches: []catch{
			{"KeyStore/a list is in order, and in pages", "keys after subject"},
		}, spoil: func(b *broken) {
			b.keys.list = func(ctx context.Context, after string, limit int) ([]driver.Key, error) {
				all, err := b.toyHandle.ListKeys(ctx, "", 1000)
				var list []driver.Key
				for _, k := range all {
					if strings.ToLower(k.Subject) > strings.ToLower(after) {
						list = append(list, k)
					}
				}
				return list[:min(limit, len(list))], err
			}
		}},
		{name: "it keeps the caller's keys", catches: []catch{{"KeyStore/a subject's slices are neither kept nor shared", "key of a: want"}},
			spoil: func(b *broken) {
				var kept sync.Map
				b.keys.add = func(ctx context.Context, keys []driver.Key) error {
					for _, k := range keys {
						kept.Store(k.Subject, k)
					}
					return b.toyHandle.AddKeys(ctx, keys)
				}
				b.keys.load = func(ctx context.Context, subjects []string) ([]driver.Key, error) {
					var list []driver.Key
					for _, subject := range subjects {
						if k, ok := kept.Load(subject); ok {
							list = append(list, k.(driver.Key))
						}
					}
					return list, nil
				}
			}},
		{name: "it lists the keys that are committed", catches: []catch{{"KeyStore/keys are part of a transaction", "keys in the list"}},
			spoil: func(b *broken) {
				b.keys.list = func(ctx context.Context, after string, limit int) ([]driver.Key, error) {
					return b.toyHandle.ListKeys(outside(ctx), after, limit)
				}
			}},
		{name: "its keys stay out of the transaction", catches: []catch{{"KeyStore/keys are part of a transaction", "keys of 3 subjects"}},
			spoil: func(b *broken) {
				b.keys.forget = func(_ context.Context, subject string, at time.Time) (bool, error) {
					return b.toyHandle.ForgetKey(context.Background(), subject, at)
				}
			}},
		{name: "it forgets who was forgotten when it is restarted", catches: []catch{{"KeyStore/keys after a restart", "how many"}},
			spoil: func(b *broken) {
				b.db.mu.Lock()
				defer b.db.mu.Unlock()
				for name, v := range b.db.state {
					if k, ok := v.(driver.Key); ok && k.Forgotten() {
						delete(b.db.state, name)
					}
				}
			}},
	}
}
