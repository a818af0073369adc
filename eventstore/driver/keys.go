package driver

import (
	"context"
	"time"
)

// KeyStore keeps one secret for each of many subjects, encrypted by its owner, until the subject is forgotten. Package
// privacy keeps people's keys in one. It need not be the database that has the events, and better is not.
//
// Subjects are non-empty UTF-8 without NUL of at most 255 bytes, compared byte by byte. A failed call inside a
// transaction leaves the transaction usable.
type KeyStore interface {
	// LoadKeys returns the keys of those subjects that have one or are forgotten, in any order; of the others nothing.
	LoadKeys(ctx context.Context, subjects []string) ([]Key, error)
	// AddKeys stores keys at Revision 1, whatever theirs says, all or none. A subject that has a key already, or is
	// forgotten, is left as it is: of two callers that add one at once, both find the same key afterwards. No subject stands
	// in keys twice.
	AddKeys(ctx context.Context, keys []Key) error
	// ReplaceKey stores k in the place of the key whose Revision is one less. It reports false, and changes nothing, if
	// there is no such key: another caller replaced it, or the subject is forgotten.
	ReplaceKey(ctx context.Context, k Key) (replaced bool, err error)
	// ForgetKey destroys a subject's key and remembers that the subject is forgotten, which nothing undoes. It reports
	// whether there was a key. One that has none is forgotten all the same; one that is forgotten keeps its time.
	//
	// Once it is committed, no call returns the key any more. What the database leaves of it in its files, its log and
	// backups is the database's affair, and still wrapped: overwrite it where that can be had, and document what stays.
	ForgetKey(ctx context.Context, subject string, at time.Time) (had bool, err error)
	// ListKeys returns the keys of the subjects that come after a subject, byte by byte, in their order, limit at most,
	// the forgotten ones included.
	ListKeys(ctx context.Context, after string, limit int) ([]Key, error)
}

// Key is what is kept of one subject.
type Key struct {
	Subject   string
	Revision  int64     // 1 or more; ForgetKey leaves it, or makes it 1
	Wrapped   []byte    // nil if the subject is forgotten, never empty otherwise
	UpdatedAt time.Time // when it was added, replaced or forgotten; UTC, whole microseconds
}

// Forgotten reports whether the subject is forgotten.
func (k Key) Forgotten() bool { return k.Wrapped == nil }
