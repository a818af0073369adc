package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func keyStore() clause {
	needs := []need{keeper}
	return clause{id: "KeyStore", text: "AddKeys stores keys at revision 1, all or none, and leaves a subject as it is that has " +
		"a key or is forgotten. ReplaceKey stores a key in the place of the one whose revision is one less. ForgetKey destroys a " +
		"subject's key and remembers that it is forgotten, which nothing undoes.",
		cases: []testCase{
			{name: "a key comes back as it was added, whatever it holds", needs: needs, run: keyRoundtrip},
			{name: "a key begins at revision 1, whatever the caller's says", needs: needs, run: keysBeginAtOne},
			{name: "adding again changes nothing", needs: needs, run: keysAddedAgain},
			{name: "who adds a key at once with others finds the same as they", needs: needs, run: keysAddedAtOnce},
			{name: "one of many that replace a key at once does", needs: needs, run: keysReplacedAtOnce},
			{name: "what is forgotten stays forgotten", needs: needs, run: keysStayForgotten},
			{name: "nothing is left of a key that is forgotten at once with others' changes", needs: needs, run: keysForgottenAtOnce},
			{name: "a list is in order, and in pages", needs: needs, run: keyPages},
			{name: "a subject's slices are neither kept nor shared", needs: needs, run: keySlices},
			{name: "keys are part of a transaction", needs: []need{keeper, transactor}, run: keysInTransaction},
			{name: "keys after a restart", needs: []need{keeper, reopen}, run: keysAfterRestart},
		}}
}

func key(subject string) driver.Key {
	return driver.Key{Subject: subject, Revision: 1, Wrapped: []byte("key of " + subject), UpdatedAt: someTime}
}

func (h *handle) keeper() driver.KeyStore { return h.drv.(driver.KeyStore) }

func (h *handle) addKeys(ctx context.Context, keys ...driver.Key) error {
	return retryRace(ctx, func() error { return h.keeper().AddKeys(ctx, keys) })
}

func (h *handle) replaceKey(ctx context.Context, k driver.Key) (replaced bool, err error) {
	err = retryRace(ctx, func() error {
		replaced, err = h.keeper().ReplaceKey(ctx, k)
		return err
	})
	return replaced, err
}

func (h *handle) forgetKey(ctx context.Context, subject string, at time.Time) (had bool, err error) {
	err = retryRace(ctx, func() error {
		had, err = h.keeper().ForgetKey(ctx, subject, at)
		return err
	})
	return had, err
}

// keysAre ends the case unless these subjects, and nobody else of those that are asked for, have these keys.
func (h *handle) keysAre(ctx context.Context, asked []string, want ...driver.Key) {
	got, err := h.keeper().LoadKeys(ctx, asked)
	h.p.ok(err, "load the keys of %d subjects", len(asked))
	slices.SortFunc(got, bySubject)
	want = slices.Clone(want)
	slices.SortFunc(want, bySubject)
	h.p.sameKeys(want, got, "keys of %d subjects", len(asked))
}

func bySubject(a, b driver.Key) int { return bytes.Compare([]byte(a.Subject), []byte(b.Subject)) }

func (p *probe) sameKeys(want, got []driver.Key, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for i := range min(len(want), len(got)) {
		p.ok(compareKey(want[i], got[i]), "%s: number %d of %d", what, i+1, len(want))
	}
	p.equal(len(want), len(got), "%s: how many", what)
}

func compareKey(want, got driver.Key) error {
	switch {
	case want.Subject != got.Subject:
		return differ("subject", want.Subject, got.Subject)
	case want.Revision != got.Revision:
		return differ("revision of "+want.Subject, want.Revision, got.Revision)
	case want.Forgotten() != got.Forgotten():
		return differ(want.Subject+" is forgotten", want.Forgotten(), got.Forgotten())
	case !bytes.Equal(want.Wrapped, got.Wrapped):
		return differ("key of "+want.Subject, want.Wrapped, got.Wrapped)
	}
	return compareTime("time of "+want.Subject, want.UpdatedAt, got.UpdatedAt)
}

func keyRoundtrip(p *probe) {
	var all []driver.Key
	var subjects []string
	add := func(k driver.Key) { all, subjects = append(all, k), append(subjects, k.Subject) }
	for _, text := range oddTexts() {
		add(key(text))
	}
	for i, e := range append(binaryPayloads(), times()...) {
		if len(e.Data) > 0 {
			add(driver.Key{Subject: fmt.Sprint("subject ", i), Revision: 1, Wrapped: e.Data, UpdatedAt: e.RecordedAt})
		}
	}
	p.keysAre(p.ctx, subjects)
	p.ok(p.addKeys(p.ctx, all...), "add %d keys", len(all))
	p.keysAre(p.ctx, append(subjects, "nobody"), all...)
	p.keysAre(p.ctx, subjects[3:4], all[3])
	p.keysAre(p.ctx, nil)
}

func keysBeginAtOne(p *probe) {
	subjects, want := []string{"0", "7", "-1"}, []driver.Key{key("0"), key("7"), key("-1")}
	for i, revision := range []int64{0, 7, -1} {
		k := want[i]
		k.Revision = revision
		p.ok(p.addKeys(p.ctx, k), "add a key whose revision is %d", revision)
	}
	p.keysAre(p.ctx, subjects, want...)
	next := key("7")
	next.Revision = 2
	replaced, err := p.replaceKey(p.ctx, next)
	p.ok(err, "replace a key that was just added by one of revision 2")
	p.that(replaced, "a key that was just added is not replaced by one of revision 2")
}

func keysAddedAgain(p *probe) {
	p.ok(p.addKeys(p.ctx, key("a"), key("b")), "add two keys")
	p.ok(p.addKeys(p.ctx), "add no keys")
	other := driver.Key{Subject: "b", Revision: 1, Wrapped: []byte("another"), UpdatedAt: someTime.Add(time.Hour)}
	p.ok(p.addKeys(p.ctx, other, key("c")), "add a key that is there, and one that isn't")
	p.keysAre(p.ctx, []string{"a", "b", "c"}, key("a"), key("b"), key("c"))
}

func keysStayForgotten(p *probe) {
	p.ok(p.addKeys(p.ctx, key("a"), key("b")), "add two keys")
	later := someTime.Add(time.Hour)
	for _, c := range []struct {
		subject string
		at      time.Time
		want    bool
	}{{"a", later, true}, {"a", later.Add(time.Hour), false}, {"nobody", later, false}, {"nobody", later.Add(time.Hour), false}} {
		had, err := p.forgetKey(p.ctx, c.subject, c.at)
		p.ok(err, "forget the key of %q", c.subject)
		p.equal(c.want, had, "whether %q had a key when it was forgotten", c.subject)
	}
	p.ok(p.addKeys(p.ctx, key("a"), key("nobody")), "add keys of forgotten subjects")
	replaced, err := p.replaceKey(p.ctx, driver.Key{Subject: "a", Revision: 2, Wrapped: []byte("x"), UpdatedAt: someTime})
	p.ok(err, "replace the key of a forgotten subject")
	p.that(!replaced, "the key of a forgotten subject was replaced")
	p.keysAre(p.ctx, []string{"a", "b", "nobody"}, driver.Key{Subject: "a", Revision: 1, UpdatedAt: later}, key("b"),
		driver.Key{Subject: "nobody", Revision: 1, UpdatedAt: later})
}

func keyPages(p *probe) {
	var subjects []string
	for _, text := range oddTexts() {
		subjects = append(subjects, text)
		p.ok(p.addKeys(p.ctx, key(text)), "add a key")
	}
	slices.Sort(subjects)
	_, err := p.forgetKey(p.ctx, subjects[2], someTime)
	p.ok(err, "forget a key")
	all := make([]driver.Key, len(subjects))
	for i, subject := range subjects {
		all[i] = key(subject)
	}
	all[2].Wrapped = nil
	for after := -1; after < len(subjects); after += 3 {
		from := ""
		if after >= 0 {
			from = subjects[after]
		}
		for _, limit := range []int{1, 2, len(subjects), len(subjects) + 1} {
			got, err := p.keeper().ListKeys(p.ctx, from, limit)
			p.ok(err, "list %d keys after subject %q", limit, from)
			rest := all[after+1:]
			p.sameKeys(rest[:min(limit, len(rest))], got, "up to %d keys after subject %q", limit, from)
		}
	}
}

func keySlices(p *probe) {
	added := key("a")
	p.ok(p.addKeys(p.ctx, added), "add a key")
	p.ok(compareKey(key("a"), added), "the caller's key after AddKeys")
	clear(added.Wrapped)
	p.keysAre(p.ctx, []string{"a"}, key("a"))
	for range 2 {
		loaded, err := p.keeper().LoadKeys(p.ctx, []string{"a"})
		p.ok(err, "load a key")
		p.sameKeys([]driver.Key{key("a")}, loaded, "the key, after the caller has changed what it was given before")
		clear(loaded[0].Wrapped)
	}
	replacing := driver.Key{Subject: "a", Revision: 2, Wrapped: []byte("next"), UpdatedAt: someTime}
	_, err := p.replaceKey(p.ctx, replacing)
	p.ok(err, "replace a key")
	clear(replacing.Wrapped)
	listed, err := p.keeper().ListKeys(p.ctx, "", 1)
	p.ok(err, "list keys")
	p.sameKeys([]driver.Key{{Subject: "a", Revision: 2, Wrapped: []byte("next"), UpdatedAt: someTime}}, listed, "the key that was replaced")
}
