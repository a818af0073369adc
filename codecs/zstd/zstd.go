// Package zstd compresses payloads with Zstandard: about as small as the gzip of serializer.Compressed, in less time.
//
//	reg := serializer.NewRegistry(&serializer.Options{Codec: zstd.Compressed(serializer.JSON(), nil)})
//
// It is a module of its own, so that nobody else depends on github.com/klauspost/compress.
package zstd

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/tidemark-go/tidemark/serializer"
)

// Compressed is serializer.Compressed with Zstandard, which adds "+zstd" to the content type. Its levels are 1, the
// fastest, to 4, the smallest; the default is 2.
//
// A codec keeps an encoder of a few megabytes for each processor, and a decoder for each of up to four. They are made
// when they are first used.
func Compressed(c serializer.Codec, opts *serializer.CompressOptions) serializer.Codec {
	return serializer.CompressedBy(c, newCompressor, opts)
}

type compressor struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCompressor(o serializer.CompressOptions) (serializer.Compressor, error) {
	level := zstd.SpeedDefault
	if o.Level != 0 {
		level = zstd.EncoderLevel(o.Level)
	}
	if level < zstd.SpeedFastest || level > zstd.SpeedBestCompression {
		return nil, fmt.Errorf("CompressOptions.Level is %d; zstd has levels 1 to 4 here, and 0 means its default", o.Level)
	}
	enc, err1 := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithLowerEncoderMem(true))
	dec, err2 := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(uint64(o.MaxSize)))
	return compressor{enc: enc, dec: dec}, errors.Join(err1, err2)
}

// Suffix implements serializer.Compressor.
func (compressor) Suffix() string { return "+zstd" }

// Compress implements serializer.Compressor.
func (c compressor) Compress(plain []byte) ([]byte, error) { return c.enc.EncodeAll(plain, nil), nil }

// Decompress implements serializer.Compressor. To the library, no bytes are no frames, and right.
func (c compressor) Decompress(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	plain, err := c.dec.DecodeAll(data, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, serializer.ErrTooLarge
	case err != nil:
		return nil, err
	}
	return plain, nil
}
