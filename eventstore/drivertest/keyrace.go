package drivertest

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func keysAddedAtOnce(p *probe) {
	handles := p.handlePair()
	for round := range 5 {
		subjects := []string{fmt.Sprint(round, "a"), fmt.Sprint(round, "b"), fmt.Sprint(round, "c")}
		found := make([][]driver.Key, racers)
		p.together(racers, func(ctx context.Context, i int) error {
			keys := make([]driver.Key, len(subjects))
			for n, subject := range subjects {
				keys[n] = key(subject)
				keys[n].Wrapped = fmt.Appendf(nil, "of racer %d", i)
			}
			h := handles[i%2]
			if err := h.addKeys(ctx, keys...); err != nil {
				return err
			}
			list, err := h.keeper().LoadKeys(ctx, subjects)
			slices.SortFunc(list, bySubject)
			found[i] = list
			return err
		})
		for i := range found {
			p.sameKeys(found[0], found[i], "keys that racer %d found, compared with another's", i)
		}
		p.equal(len(subjects), len(found[0]), "keys of subjects that were added")
	}
}

func keysReplacedAtOnce(p *probe) {
	handles := p.handlePair()
	p.ok(p.addKeys(p.ctx, key("a")), "add a key")
	for revision := int64(2); revision < 7; revision++ {
		replaced := make([]bool, racers)
		p.together(racers, func(ctx context.Context, i int) (err error) {
			k := driver.Key{Subject: "a", Revision: revision, Wrapped: fmt.Appendf(nil, "of racer %d", i), UpdatedAt: someTime}
			replaced[i], err = handles[i%2].replaceKey(ctx, k)
			return err
		})
		won := slices.Index(replaced, true)
		p.that(won >= 0 && !slices.Contains(replaced[won+1:], true), "racers that replaced revision %d: want one, got %v", revision-1, replaced)
		p.keysAre(p.ctx, []string{"a"}, driver.Key{Subject: "a", Revision: revision, UpdatedAt: someTime,
			Wrapped: fmt.Appendf(nil, "of racer %d", won)})
	}
	for _, revision := range []int64{1, 6, 8} {
		replaced, err := p.replaceKey(p.ctx, driver.Key{Subject: "a", Revision: revision, Wrapped: []byte("x"), UpdatedAt: someTime})
		p.ok(err, "replace a key at revision 6 by one of revision %d", revision)
		p.that(!replaced, "a key at revision 6 was replaced by one of revision %d", revision)
	}
	replaced, err := p.replaceKey(p.ctx, driver.Key{Subject: "nobody", Revision: 1, Wrapped: []byte("x"), UpdatedAt: someTime})
	p.ok(err, "replace a key that is not there")
	p.that(!replaced, "a key was replaced that is not there")
}

func keysForgottenAtOnce(p *probe) {
	handles := p.handlePair()
	for round := range 8 {
		subject := fmt.Sprint("subject ", round)
		p.together(3, func(ctx context.Context, i int) (err error) {
			switch h := handles[i%2]; i {
			case 0:
				err = h.addKeys(ctx, key(subject))
			case 1:
				_, err = h.forgetKey(ctx, subject, someTime)
			default:
				_, err = h.replaceKey(ctx, driver.Key{Subject: subject, Revision: 2, Wrapped: []byte("x"), UpdatedAt: someTime})
			}
			return err
		})
		left, err := p.keeper().LoadKeys(p.ctx, []string{subject})
		p.ok(err, "load the key of a forgotten subject")
		p.that(len(left) == 1 && left[0].Forgotten(), "a subject was forgotten while its key was added and replaced: %d of its keys are left", len(left))
	}
}

func keysInTransaction(p *probe) {
	p.ok(p.addKeys(p.ctx, key("old"), key("gone")), "add two keys")
	before := []driver.Key{key("old"), key("gone")}
	after := []driver.Key{{Subject: "old", Revision: 2, Wrapped: []byte("x"), UpdatedAt: someTime},
		{Subject: "gone", Revision: 1, UpdatedAt: someTime}, key("new")}
	subjects := []string{"old", "gone", "new"}
	change := func() *held {
		tx := p.begin(p.handle)
		tx.do(func(ctx context.Context) {
			p.ok(p.keeper().AddKeys(ctx, []driver.Key{key("new")}), "add a key inside a transaction")
			_, err := p.keeper().ReplaceKey(ctx, after[0])
			p.ok(err, "replace a key inside a transaction")
			_, err = p.keeper().ForgetKey(ctx, "gone", someTime)
			p.ok(err, "forget a key inside a transaction")
			p.keysAre(ctx, subjects, after...)
			p.keysListed(ctx, after...)
		})
		p.outside(func() {
			p.keysAre(p.ctx, subjects, before...)
			p.keysListed(p.ctx, before...)
		})
		return tx
	}
	change().rollback()
	p.keysAre(p.ctx, subjects, before...)
	change().commit()
	p.keysAre(p.ctx, subjects, after...)
}

// keysListed ends the case unless these are all keys.
func (p *probe) keysListed(ctx context.Context, want ...driver.Key) {
	got, err := p.keeper().ListKeys(ctx, "", len(want)+1)
	p.ok(err, "list the keys")
	want = slices.Clone(want)
	slices.SortFunc(want, bySubject)
	p.sameKeys(want, got, "keys in the list")
}

func keysAfterRestart(p *probe) {
	p.ok(p.addKeys(p.ctx, key("a"), key("b")), "add two keys")
	_, err := p.forgetKey(p.ctx, "b", someTime)
	p.ok(err, "forget a key")
	p.restart()
	p.keysAre(p.ctx, []string{"a", "b"}, key("a"), driver.Key{Subject: "b", Revision: 1, UpdatedAt: someTime})
}
