package privacy

import "errors"

// The errors that a caller tells apart with errors.Is.
var (
	// ErrForgotten: something personal was to be stored of a subject that has been forgotten.
	ErrForgotten = errors.New("privacy: the subject has been forgotten")
	// ErrMasterKey: a subject's key is there, but none of the master keys opens it. Nobody has been forgotten: with the
	// right master key everything is readable again.
	ErrMasterKey = errors.New("privacy: wrong or missing master key")
	// ErrNoKey: the key store has no key of a subject and does not know it as forgotten either. It is the wrong key
	// store, or one that has lost keys.
	ErrNoKey = errors.New("privacy: no key")
	// ErrDamaged: a sealed value or a stored key was changed, or stands where it was not written.
	ErrDamaged = errors.New("privacy: damaged")
)
