package serializer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// format is a codec with its content type, which is asked for once.
type format struct {
	codec       Codec
	contentType string
	chooser     Chooser  // the codec, if it is one
	others      []format // of the chooser
}

// formatOf checks a codec that the user gave, and those that it writes by besides itself.
func formatOf(c Codec) (format, error) {
	f, err := simpleFormat(c)
	if err != nil {
		return format{}, err
	}
	if chooser, ok := c.(Chooser); ok {
		f.chooser = chooser
		f.others, err = othersOf(chooser)
	}
	return f, err
}

// simpleFormat leaves aside that a codec may choose.
func simpleFormat(c Codec) (f format, err error) {
	if c == nil {
		return format{}, errors.New("the codec is nil")
	}
	defer catch(&err)
	if made, ok := c.(interface{ check() error }); ok {
		if err := made.check(); err != nil {
			return format{}, err
		}
	}
	f = format{codec: c, contentType: c.ContentType()}
	if err := checkName(f.contentType); err != nil {
		return format{}, fmt.Errorf("content type %q of codec %T %w", f.contentType, c, err)
	}
	return f, nil
}

func othersOf(c Chooser) (others []format, err error) {
	defer catch(&err)
	for _, other := range c.Others() {
		f, err := simpleFormat(other)
		if err != nil {
			return nil, fmt.Errorf("codec %T writes by others: %w", c, err)
		}
		others = append(others, f)
	}
	return others, nil
}

// marshal returns v as it is to be stored.
func (f *format) marshal(v any) (data []byte, contentType string, err error) {
	if contentType = f.contentType; f.chooser != nil {
		data, contentType, err = f.chooser.MarshalChosen(v)
	} else {
		data, err = f.codec.Marshal(v)
	}
	if err == nil {
		err = f.checkWritten(data, contentType)
	}
	return data, contentType, err
}

// checkWritten refuses what a codec of the user's may not write: what nobody reads, and what a database would not store
// as JSON. That JSON() writes JSON need not be checked.
func (f *format) checkWritten(data []byte, contentType string) error {
	reader := f.reader(contentType)
	if reader == nil {
		return fmt.Errorf("codec %T chose content type %q, which neither it nor one of its Others has", f.codec, contentType)
	}
	if _, ours := reader.(jsonCodec); !ours && contentType == contentTypeJSON && !json.Valid(data) {
		return fmt.Errorf("codec %T wrote what is no JSON; only a codec of JSON may have content type %q", f.codec, contentType)
	}
	return nil
}

// reader returns the codec that reads what was written in this format, nil if contentType is of another one.
func (f *format) reader(contentType string) Codec {
	if contentType == f.contentType {
		return f.codec
	}
	for i := range f.others {
		if contentType == f.others[i].contentType {
			return f.others[i].codec
		}
	}
	return nil
}
