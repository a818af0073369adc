package serializer

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"
)

// gzipped is the compressor of Compressed. Its writers take some 800 KB each, so they are used again.
type gzipped struct {
	maxSize int
	writers sync.Pool // of *gzip.Writer
	readers sync.Pool // of *gzip.Reader
}

func newGzip(o CompressOptions) (Compressor, error) {
	if o.Level < 0 || o.Level > gzip.BestCompression {
		return nil, fmt.Errorf("CompressOptions.Level is %d; gzip has levels 1 to 9, and 0 means its default", o.Level)
	}
	level := cmp.Or(o.Level, gzip.DefaultCompression)
	g := &gzipped{maxSize: o.MaxSize}
	g.writers.New = func() any {
		w, _ := gzip.NewWriterLevel(nil, level) // fails for levels that do not exist only
		return w
	}
	g.readers.New = func() any { return new(gzip.Reader) }
	return g, nil
}

// Suffix implements Compressor.
func (*gzipped) Suffix() string { return "+gzip" }

// Compress implements Compressor.
func (g *gzipped) Compress(plain []byte) ([]byte, error) {
	w := g.writers.Get().(*gzip.Writer)
	defer g.writers.Put(w)
	var b bytes.Buffer
	b.Grow(len(plain)/2 + 64)
	w.Reset(&b)
	_, err := w.Write(plain)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// Decompress implements Compressor.
func (g *gzipped) Decompress(data []byte) ([]byte, error) {
	r := g.readers.Get().(*gzip.Reader)
	defer g.readers.Put(r)
	rest := bytes.NewReader(data)
	if err := r.Reset(rest); err != nil {
		return nil, err
	}
	r.Multistream(false)
	var b bytes.Buffer
	b.Grow(min(4*len(data), g.maxSize) + bytes.MinRead)
	_, err := b.ReadFrom(io.LimitReader(r, int64(g.maxSize)+1))
	switch {
	case err != nil:
		return nil, err
	case b.Len() > g.maxSize:
		return nil, ErrTooLarge
	case rest.Len() > 0:
		return nil, fmt.Errorf("%d bytes come after its end", rest.Len())
	}
	return b.Bytes(), nil
}
