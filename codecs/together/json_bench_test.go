package together_test

import (
	"testing"

	"github.com/bytedance/sonic"
	goccy "github.com/goccy/go-json"

	"github.com/tidemark-go/tidemark/serializer"
)

// jsonLibrary writes and reads JSON as serializer.JSON does, as far as it can.
type jsonLibrary struct {
	marshal   func(v any) ([]byte, error)
	unmarshal func(data []byte, v any) error
}

func (jsonLibrary) ContentType() string                  { return "application/json" }
func (l jsonLibrary) Marshal(v any) ([]byte, error)      { return l.marshal(v) }
func (l jsonLibrary) Unmarshal(data []byte, v any) error { return l.unmarshal(data, v) }

func jsonLibraries() map[string]serializer.Codec {
	likeStandard := sonic.Config{SortMapKeys: true, CompactMarshaler: true, CopyString: true, ValidateString: true}.Froze()
	return map[string]serializer.Codec{
		"encoding-json": serializer.JSON(),
		"goccy": jsonLibrary{marshal: func(v any) ([]byte, error) {
			return goccy.MarshalWithOption(v, goccy.DisableHTMLEscape())
		}, unmarshal: func(data []byte, v any) error { return goccy.Unmarshal(data, v) }},
		"sonic": jsonLibrary{marshal: likeStandard.Marshal, unmarshal: likeStandard.Unmarshal},
	}
}

// BenchmarkJSON measures what docs/dependencies.md says about other libraries for JSON. With GOEXPERIMENT=jsonv2,
// encoding/json is the one of Go 1.27.
func BenchmarkJSON(b *testing.B) {
	for name, c := range jsonLibraries() {
		b.Run("1 line/"+name, func(b *testing.B) { measure(b, c, &lines(1)[0]) })
		b.Run("10 lines/"+name, func(b *testing.B) { measure(b, c, order(10)) })
	}
}
