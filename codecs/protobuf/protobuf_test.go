package protobuf_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tidemark-go/tidemark/codecs/protobuf"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// registry registers messages that come with the library, as if they were an application's.
func registry() *serializer.Registry {
	reg := serializer.NewRegistry(&serializer.Options{Codec: protobuf.New()})
	serializer.Register[*apipb.Api](reg, "api")
	serializer.Register[*structpb.Struct](reg, "fields")
	serializer.Register[*timestamppb.Timestamp](reg, "time")
	serializer.Register[*wrapperspb.StringValue](reg, "text")
	return reg
}

func api() *apipb.Api {
	return &apipb.Api{Name: "orders", Methods: []*apipb.Method{{Name: "Place", RequestStreaming: true}, {}}, Version: "v1"}
}

func fields(t testing.TB) *structpb.Struct {
	m := map[string]any{"list": []any{"a", nil, true, 1.5}}
	for i := range 50 {
		m[fmt.Sprint(i)] = i
	}
	s, err := structpb.NewStruct(m)
	require.NoError(t, err)
	return s
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	for name, m := range map[string]proto.Message{
		"with messages in it":     api(),
		"with a map and a choice": fields(t),
		"with numbers":            &timestamppb.Timestamp{Seconds: -1, Nanos: 999},
		"with nothing":            &apipb.Api{},
		"with a text":             wrapperspb.String("hello"),
	} {
		t.Run(name, func(t *testing.T) {
			reg := registry()
			stored, err := reg.Encode(m)
			require.NoError(t, err)
			require.Equal(t, "application/protobuf", stored.ContentType)
			back, err := reg.Decode(stored)
			require.NoError(t, err)
			require.IsType(t, m, back)
			require.True(t, proto.Equal(m, back.(proto.Message)))
			for range 10 {
				again, err := reg.Encode(m)
				require.NoError(t, err)
				require.Equal(t, stored, again, "equal messages are equal bytes")
			}
		})
	}
	t.Run("and keep the fields that they do not know", func(t *testing.T) {
		reg := registry()
		data, err := protobuf.New().Marshal(api())
		require.NoError(t, err)
		v, err := reg.Decode(serializer.Encoded{Type: "text", Schema: 1, ContentType: "application/protobuf", Data: data})
		require.NoError(t, err)
		require.Equal(t, "orders", v.(*wrapperspb.StringValue).GetValue())
		again, err := reg.Encode(v)
		require.NoError(t, err)
		again.Type = "api"
		back, err := reg.Decode(again)
		require.NoError(t, err)
		require.True(t, proto.Equal(api(), back.(proto.Message)))
	})
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	t.Run("as bytes", func(t *testing.T) {
		_, err := registry().Decode(serializer.Encoded{Type: "api", Schema: 1, ContentType: "application/protobuf", Data: []byte("{}")})
		require.ErrorContains(t, err, "serializer: decode api v1 into *apipb.Api: proto:")
	})
	t.Run("as a type", func(t *testing.T) {
		type plain struct{ Name string }
		reg := serializer.NewRegistry(&serializer.Options{Codec: protobuf.New()})
		serializer.Register[plain](reg, "plain")
		serializer.Register[**plain](reg, "pointer")
		_, err := reg.Encode(plain{})
		require.EqualError(t, err, "serializer: encode protobuf_test.plain as plain v1: protobuf: *protobuf_test.plain is no "+
			"message; register the pointer type of one")
		p := &plain{}
		_, err = reg.Encode(&p)
		require.ErrorContains(t, err, "protobuf: **protobuf_test.plain is no message")
		_, err = reg.Decode(serializer.Encoded{Type: "plain", Schema: 1, ContentType: "application/protobuf"})
		require.ErrorContains(t, err, "protobuf: *protobuf_test.plain is no message")
		require.ErrorContains(t, protobuf.New().Unmarshal(nil, nil), "protobuf: <nil> is no message")
		require.ErrorContains(t, protobuf.New().Unmarshal(nil, (**apipb.Api)(nil)), "protobuf: **apipb.Api is no message")
	})
}

func TestUpcastersReadAndWriteMessages(t *testing.T) {
	reg := registry()
	chain, err := upcaster.New(upcaster.Struct(upcaster.V("text", 1), upcaster.V("api", 1),
		func(old *wrapperspb.StringValue) (*apipb.Api, error) {
			return &apipb.Api{Name: old.GetValue(), Version: "v2"}, nil
		}))
	require.NoError(t, err)
	data, err := protobuf.New().Marshal(wrapperspb.String("orders"))
	require.NoError(t, err)
	events, err := chain.Upcast(upcaster.Event{Type: upcaster.V("text", 1), ContentType: "application/protobuf", Data: data},
		func(contentType string) (upcaster.Codec, bool) { return reg.Codec(contentType) })
	require.NoError(t, err)
	require.Len(t, events, 1)
	got, err := reg.Decode(serializer.Encoded{Type: "api", Schema: 1, ContentType: "application/protobuf", Data: events[0].Data})
	require.NoError(t, err)
	require.True(t, proto.Equal(&apipb.Api{Name: "orders", Version: "v2"}, got.(proto.Message)))
}

func TestSamples(t *testing.T) {
	require.NoError(t, serializer.Check(registry(), &serializer.CheckOptions{Samples: []any{fields(t)}}))
}

func FuzzDecode(f *testing.F) {
	c := protobuf.New()
	for _, m := range []proto.Message{api(), fields(f), &timestamppb.Timestamp{Seconds: 1}, wrapperspb.String("a")} {
		data, err := c.Marshal(m)
		require.NoError(f, err)
		for _, name := range []string{"api", "fields", "text"} {
			f.Add(name, data)
		}
	}
	f.Add("api", []byte("\x0b\x0b\x0b\x0c\x0c\x0c"))                      // groups
	f.Add("text", []byte("\x0a\xff\xff\xff\xff\x0f"))                     // 4 GB that are not there
	f.Add("time", []byte("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")) // -1
	f.Add("text", []byte("\x0a\x01\xff"))                                 // not UTF-8
	reg := registry()
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		before := string(data)
		v, err := reg.Decode(serializer.Encoded{Type: name, Schema: 1, ContentType: "application/protobuf", Data: data})
		require.Equal(t, before, string(data))
		if err != nil {
			require.NotContains(t, err.Error(), "panic")
			require.Nil(t, v)
			return
		}
		stored, err := reg.Encode(v)
		require.NoError(t, err)
		again, err := reg.Decode(stored)
		require.NoError(t, err)
		twice, err := reg.Encode(again)
		require.NoError(t, err)
		require.Equal(t, stored, twice)
	})
}
