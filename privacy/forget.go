package privacy

import (
	"context"
	"fmt"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

// Forget destroys a subject's key, for good: from when it returns, this process reads what is sealed for the subject as
// the declared fallbacks, other processes do so after Options.CacheFor at the latest, and nothing personal of it is
// stored any more (ErrForgotten). known reports whether there was a key; where there was none, this subject has been forgotten
// before, or its key was lost, or nothing was ever sealed for it: it may be misspelled.
//
// If ctx carries a transaction of the key store's database, Forget is part of it.
func (v *Vault) Forget(ctx context.Context, subject string) (known bool, err error) {
	if err := checkSubject(subject); err != nil {
		return false, fmt.Errorf("privacy: forget: %w", err)
	}
	known, err = v.keys.ForgetKey(v.keyContext(ctx), subject, v.time())
	v.dropped(ctx, subject)
	if err != nil {
		return false, fmt.Errorf("privacy: forget subject %q: %w", subject, err)
	}
	return known, nil
}

// Forgotten reports whether a subject is forgotten, as the key store says now.
func (v *Vault) Forgotten(ctx context.Context, subject string) (bool, error) {
	keys, err := v.keys.LoadKeys(v.keyContext(ctx), []string{subject})
	if err != nil {
		return false, fmt.Errorf("privacy: look for subject %q: %w", subject, err)
	}
	return len(keys) > 0 && keys[0].Forgotten(), nil
}

// Rotate gives a subject a new key, which seals what is stored from now on: in other processes after Options.CacheFor at
// the latest. What was sealed before stays readable, by the key that sealed it. It is ErrNoKey if the subject has no key
// and ErrForgotten if it is forgotten.
func (v *Vault) Rotate(ctx context.Context, subject string) error {
	defer v.dropped(ctx, subject)
	return v.replace(ctx, subject, func(secrets []byte) []byte { return append(secrets, newSecret()...) })
}

// replace changes a subject's keys, over again if somebody else does at the same time.
func (v *Vault) replace(ctx context.Context, subject string, change func(secrets []byte) []byte) error {
	for {
		keys, err := v.keys.LoadKeys(v.keyContext(ctx), []string{subject})
		switch {
		case err != nil:
			return fmt.Errorf("privacy: load the key of subject %q: %w", subject, err)
		case len(keys) == 0:
			return fmt.Errorf("%w: subject %q has none", ErrNoKey, subject)
		case keys[0].Forgotten():
			return fmt.Errorf("%w: %q", ErrForgotten, subject)
		}
		secrets, err := v.unwrap(keys[0])
		if err != nil {
			return err
		}
		done, err := v.keys.ReplaceKey(v.keyContext(ctx), driver.Key{Subject: subject, Revision: keys[0].Revision + 1,
			Wrapped: v.master.wrap(subject, change(secrets)), UpdatedAt: v.time()})
		if err != nil {
			return fmt.Errorf("privacy: replace the key of subject %q: %w", subject, err)
		}
		if done {
			return nil
		}
	}
}

// dropped has a subject's keys loaded anew: by those outside of the transaction of ctx once it has ended, because until
// then they see what was there before.
func (v *Vault) dropped(ctx context.Context, subject string) {
	if v.inTransaction(ctx) {
		v.tx.OnEnd(ctx, func(bool) { v.cache.drop(subject) })
		return
	}
	v.cache.drop(subject)
}
