package privacy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MasterKey encrypts the keys of all subjects where they are stored. It is 256 random bits, and is kept apart from both
// databases, in a secret manager for example. Whoever loses it loses everything that is sealed. Printing it shows its
// ID only.
type MasterKey struct {
	secret *[keySize]byte // a pointer, of which fmt shows the address where it can't call String
	id     string         // empty in the zero value, which is no key
}

// NewMasterKey returns a new random key. Keep what Secret returns.
func NewMasterKey() MasterKey {
	var secret [keySize]byte
	rand.Read(secret[:]) //nolint:errcheck // never fails
	return masterKey(secret)
}

// ParseMasterKey reads what Secret returned: 32 bytes in base64, as `openssl rand -base64 32` prints them. The error
// does not show the text.
func ParseMasterKey(text string) (MasterKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != keySize {
		return MasterKey{}, errors.New("privacy: a master key is 32 random bytes in base64, as `openssl rand -base64 32` " +
			"prints them; this text is not")
	}
	return masterKey([keySize]byte(b)), nil
}

// masterKey derives the id from the secret, so that a wrong key is told from a right one by its name already.
func masterKey(secret [keySize]byte) MasterKey {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write([]byte("tidemark master key id"))
	return MasterKey{secret: &secret, id: hex.EncodeToString(mac.Sum(nil)[:idSize])}
}

const idSize = 8

// Secret returns the key as text, for a secret manager; nothing for the zero value.
func (k MasterKey) Secret() string {
	if k.secret == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(k.secret[:])
}

// ID tells master keys apart: 16 hexadecimal digits that are derived from the key and don't give it away.
func (k MasterKey) ID() string { return k.id }

// String returns the ID, with a word before it.
func (k MasterKey) String() string { return "master key " + k.id }

// GoString implements fmt.GoStringer, so that %#v does not show the secret either.
func (k MasterKey) GoString() string { return "privacy.MasterKey(" + k.id + ")" }

// A wrapped key ring is a format byte, the id of the master key, and a box of all keys of the subject, the oldest
// first.
const (
	wrapFormat = 1
	keySize    = 32
)

func (k MasterKey) wrap(subject string, secrets []byte) []byte {
	id, _ := hex.DecodeString(k.id)
	out := append([]byte{wrapFormat}, id...)
	return append(out, newAEAD(k.secret[:]).Seal(nil, nil, secrets, wrapBinding(subject))...)
}

// wrappedBy returns the id of the master key that a wrapped key ring needs.
func wrappedBy(wrapped []byte) (id string, box []byte, err error) {
	if len(wrapped) < 1+idSize || wrapped[0] != wrapFormat {
		return "", nil, fmt.Errorf("%w: the stored key is not in a format that this release knows", ErrDamaged)
	}
	return hex.EncodeToString(wrapped[1 : 1+idSize]), wrapped[1+idSize:], nil
}

// unwrap returns a subject's keys, one after the other.
func (k MasterKey) unwrap(subject string, box []byte) ([]byte, error) {
	secrets, err := newAEAD(k.secret[:]).Open(nil, nil, box, wrapBinding(subject))
	if err != nil || len(secrets) == 0 || len(secrets)%keySize != 0 {
		return nil, fmt.Errorf("%w: the stored key was changed, or is another subject's", ErrDamaged)
	}
	return secrets, nil
}

func wrapBinding(subject string) []byte { return []byte("tidemark subject key\x00" + subject) }

// newAEAD returns AES-256-GCM that puts a random nonce before each box. A key may seal some 4 billion values.
func newAEAD(secret []byte) cipher.AEAD {
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // only a wrong key size fails, and ours are arrays of 32
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size that GCM wants
	}
	return aead
}
