package serializer

import (
	"cmp"
	"errors"
	"fmt"
)

// CompressOptions change how payloads are compressed. The zero value and nil mean the defaults.
type CompressOptions struct {
	// MinSize is the size in bytes below which payloads stay plain. 1 compresses whatever gets smaller by it.
	// Default: 1024.
	MinSize int
	// MaxSize is the largest size in bytes that a payload may have before it is compressed, and so after it is
	// decompressed: a few bytes of a forged or damaged payload can't fill the memory. What exceeds it is refused, when it
	// is written as when it is read: ErrTooLarge. At most 1 GiB. Default: 64 MiB, the most that eventstore takes.
	MaxSize int
	// Level says how much time to spend on smaller payloads, in the terms of the compressor. Of gzip it is 1, the fastest,
	// to 9, the smallest. Default: the compressor's, which is 6 of gzip.
	Level int
}

// Compressor is an algorithm for CompressedBy. It is called by many goroutines at once.
type Compressor interface {
	// Suffix is what it adds to a content type, as "+gzip". It stands for the format, not for the level.
	Suffix() string
	// Compress returns plain in its format. The same bytes give the same result as long as the program runs. The result
	// is the caller's; plain is neither kept nor changed.
	Compress(plain []byte) ([]byte, error)
	// Decompress returns what was compressed. It fails on bytes that are not wholly of its format or that are cut off. A
	// result of more than MaxSize bytes is ErrTooLarge, found out without making much more than those. data is neither
	// kept nor changed.
	Decompress(data []byte) ([]byte, error)
}

// ErrTooLarge is wrapped by the error for a payload that exceeds CompressOptions.MaxSize.
var ErrTooLarge = errors.New("payload too large")

// Compressed returns a codec that writes by c and compresses large payloads with gzip, whose checksum finds damaged ones.
// A compressed payload has the content type of c with "+gzip" after it, as "application/json+gzip". One that is small, or
// that compression does not make smaller, is stored as c wrote it, under the content type of c.
//
// Both content types are read, so that MinSize and Level can change, and c can be replaced by Compressed(c) and back, as
// long as the codec is still known to the registry, if only by Options.Codecs.
func Compressed(c Codec, opts *CompressOptions) Codec { return CompressedBy(c, newGzip, opts) }

// CompressedBy is Compressed with another algorithm. It is given the options, with the defaults filled in except for
// Level, and returns an error for a level that it does not have.
func CompressedBy(c Codec, algorithm func(CompressOptions) (Compressor, error), opts *CompressOptions) Codec {
	o := *cmp.Or(opts, &CompressOptions{})
	o.MinSize, o.MaxSize = cmp.Or(o.MinSize, 1024), cmp.Or(o.MaxSize, 64<<20)
	m := &compressed{opts: o}
	if o.MinSize < 0 || o.MaxSize < 0 || o.MaxSize > 1<<30 {
		m.mistake = fmt.Errorf("CompressOptions: MinSize %d or MaxSize %d is below 0 or above 1 GiB", o.MinSize, o.MaxSize)
		return m
	}
	if m.plain, m.mistake = simpleFormat(c); m.mistake == nil {
		m.by, m.mistake = algorithm(o)
	}
	return m
}

// compressed is a codec that compresses what another one writes.
type compressed struct {
	opts    CompressOptions
	plain   format
	by      Compressor
	mistake error // in its making
}

// check has the registry report the mistake.
func (m *compressed) check() error {
	if m.mistake != nil {
		return fmt.Errorf("compressed codec: %w", m.mistake)
	}
	return nil
}

// ContentType implements Codec.
func (m *compressed) ContentType() string {
	if m.mistake != nil {
		return ""
	}
	return m.plain.contentType + m.by.Suffix()
}

// Others implements Chooser.
func (m *compressed) Others() []Codec { return []Codec{m.plain.codec} }

// Marshal implements Codec. It compresses payloads of any size, because its result has one content type.
func (m *compressed) Marshal(v any) ([]byte, error) {
	plain, err := m.marshalPlain(v)
	if err != nil {
		return nil, err
	}
	return m.by.Compress(plain)
}

// MarshalChosen implements Chooser.
func (m *compressed) MarshalChosen(v any) (data []byte, contentType string, err error) {
	plain, err := m.marshalPlain(v)
	if err != nil || len(plain) < m.opts.MinSize {
		return plain, m.plain.contentType, err
	}
	data, err = m.by.Compress(plain)
	if err != nil || len(data) >= len(plain) {
		return plain, m.plain.contentType, err
	}
	return data, m.ContentType(), nil
}

func (m *compressed) marshalPlain(v any) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	plain, err := m.plain.codec.Marshal(v)
	if err == nil && len(plain) > m.opts.MaxSize {
		err = fmt.Errorf("%w: it has %d bytes; CompressOptions.MaxSize is %d", ErrTooLarge, len(plain), m.opts.MaxSize)
	}
	return plain, err
}

// Unmarshal implements Codec.
func (m *compressed) Unmarshal(data []byte, v any) error {
	if err := m.check(); err != nil {
		return err
	}
	plain, err := m.by.Decompress(data)
	if err != nil {
		return m.decompressError(err)
	}
	return m.plain.codec.Unmarshal(plain, v)
}

func (m *compressed) decompressError(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return fmt.Errorf("decompress: %w: it would have more bytes than CompressOptions.MaxSize, which is %d", err, m.opts.MaxSize)
	}
	return fmt.Errorf("decompress: %w", err)
}
