package privacy

import (
	"context"
	"errors"
	"fmt"
)

// Rewrap wraps every key that another master key has wrapped by the current one, and returns how many. It may be called
// while the vault is in use, and again after an error.
//
// A key that can't be opened stays as it is: ErrDamaged, or ErrMasterKey if this vault does not have the one that it
// needs. Rewrap goes on with the others, and its error names the first ten such subjects and counts the rest. An error of
// the key store ends it. Without an error, the keys in Options.Previous are not needed any more; what is older, as
// backups are, still needs them.
func (v *Vault) Rewrap(ctx context.Context) (rewrapped int, err error) {
	var left leftovers
	for k, err := range v.all(ctx) {
		if err != nil {
			return rewrapped, left.and(err)
		}
		if id, _, err := wrappedBy(k.Wrapped); k.Forgotten() || err == nil && id == v.master.id {
			continue
		}
		switch err := v.rewrap(ctx, k.Subject); {
		case err == nil:
			rewrapped++
		case errors.Is(err, ErrDamaged) || errors.Is(err, ErrMasterKey):
			left.add(err)
		default:
			return rewrapped, left.and(err)
		}
	}
	return rewrapped, left.and(nil)
}

// rewrap does nothing if the subject has been forgotten meanwhile.
func (v *Vault) rewrap(ctx context.Context, subject string) error {
	err := v.replace(ctx, subject, func(secrets []byte) []byte { return secrets })
	if forgotten, err2 := v.Forgotten(ctx, subject); err != nil && err2 == nil && forgotten {
		return nil
	}
	return err
}

// leftovers are the errors of the keys that could not be rewrapped.
type leftovers struct {
	first []error
	more  int
}

const leftoversNamed = 10

func (l *leftovers) add(err error) {
	if len(l.first) == leftoversNamed {
		l.more++
		return
	}
	l.first = append(l.first, err)
}

// and returns one error of all, and of what ended the run; nil if there is none.
func (l *leftovers) and(end error) error {
	all := l.first
	if l.more > 0 {
		all = append(all, fmt.Errorf("and %d more keys that could not be rewrapped", l.more))
	}
	return errors.Join(append(all, end)...)
}
