package serializer

import (
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
	if f.chooser == nil {
		data, err = f.codec.Marshal(v)
		return data, f.contentType, err
	}
	data, contentType, err = f.chooser.MarshalChosen(v)
	if err == nil && f.reader(contentType) == nil {
		err = fmt.Errorf("codec %T chose content type %q, which neither it nor one of its Others has", f.codec, contentType)
	}
	return data, contentType, err
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
