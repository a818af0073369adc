// Package protobuf stores messages of Protocol Buffers.
//
// Register the pointer type, as the generated code uses it, and record pointers:
//
//	codec := protobuf.New()
//	serializer.Register[*orderpb.Placed](reg, "order.placed", serializer.WithCodec(codec))
//
// It is a module of its own, so that nobody else depends on google.golang.org/protobuf.
package protobuf

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/tidemark-go/tidemark/serializer"
)

// New returns a codec for "application/protobuf". It refuses what is no message.
//
// Fields that a message does not know are kept and written again, and extensions are those of the generated code that the
// program is linked with. Equal messages are written as equal bytes by one build of a program; another release of the
// library may write them otherwise.
//
// A step of upcaster.Struct names pointer types, as in upcaster.Struct[*orderpb.PlacedV1, *orderpb.Placed]. upcaster.Map
// needs payloads that name their fields, which these do not.
func New() serializer.Codec { return codec{} }

type codec struct{}

// ContentType implements serializer.Codec.
func (codec) ContentType() string { return "application/protobuf" }

// Marshal implements serializer.Codec.
func (codec) Marshal(v any) ([]byte, error) {
	m, err := message(v)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// Unmarshal implements serializer.Codec.
func (codec) Unmarshal(data []byte, v any) error {
	m, err := message(v)
	if err != nil {
		return err
	}
	return proto.Unmarshal(data, m)
}

// message returns the message that v is or, as upcasters have it, points to a pointer to, which is made if it is nil.
func message(v any) (proto.Message, error) {
	if m, ok := v.(proto.Message); ok {
		return m, nil
	}
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.Type().Elem().Kind() == reflect.Pointer && !p.IsNil() {
		if p.Elem().IsNil() {
			p.Elem().Set(reflect.New(p.Type().Elem().Elem()))
		}
		if m, ok := p.Elem().Interface().(proto.Message); ok {
			return m, nil
		}
	}
	return nil, fmt.Errorf("protobuf: %T is no message; register the pointer type of one", v)
}
