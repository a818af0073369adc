package serializer_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/serializer"
)

// What the pages on codecs and samples say that a mistake says, it says.
func TestTheErrorsInTheDocumentationAreReal(t *testing.T) {
	real := strings.NewReplacer("serializer_test.", "shop.", "funcCodec", "codec", "placed as", "Placed as", "placed:", "Placed:").
		Replace(strings.Join(documentedMistakes(t), "\n"))
	for _, page := range []string{"codecs", "samples"} {
		for _, text := range blocks(t, page, "\nserializer: ") {
			require.Contains(t, real, text, page)
		}
	}
}

// blocks returns the blocks of a page that begin in some way.
func blocks(t *testing.T, page, begin string) (found []string) {
	text, err := os.ReadFile(filepath.Join("..", "docs", page+".md"))
	require.NoError(t, err)
	for _, block := range regexp.MustCompile("(?s)```[a-z]*(\n.*?)\n```\n").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], begin) {
			found = append(found, strings.TrimSpace(block[1]))
		}
	}
	require.NotEmpty(t, found, page)
	return found
}

func documentedMistakes(t *testing.T) (texts []string) {
	note := func(err error) {
		require.Error(t, err)
		texts = append(texts, err.Error())
	}
	noJSON := serializer.NewRegistry(nil)
	serializer.Register[placed](noJSON, "order.placed", serializer.WithCodec(funcCodec{
		contentType: func() string { return "application/json" },
		marshal:     func(any) ([]byte, error) { return []byte("no JSON"), nil },
	}))
	_, err := noJSON.Encode(placed{})
	note(err)
	unknown := serializer.NewRegistry(nil)
	serializer.Register[placed](unknown, "order.placed", serializer.Version(2))
	_, err = unknown.Decode(serializer.Encoded{Type: "order.placed", Schema: 2, ContentType: "application/json+gzip"})
	note(err)
	compressed := serializer.NewRegistry(&serializer.Options{Codec: serializer.Compressed(serializer.JSON(),
		&serializer.CompressOptions{MaxSize: 1 << 20})})
	serializer.Register[placed](compressed, "order.placed")
	_, err = compressed.Decode(serializer.Encoded{Type: "order.placed", Schema: 1, ContentType: "application/json+gzip",
		Data: bomb(t, 1<<20+1)})
	note(err)
	changed := serializer.NewRegistry(nil)
	serializer.Register[ItemAdded](changed, "basket.item_added")
	note(serializer.Check(changed, nil))
	return texts
}

// The codec that the page shows is the one of these tests.
func TestTheCodecInTheDocumentationIsOne(t *testing.T) {
	code, err := os.ReadFile("fixtures_test.go")
	require.NoError(t, err)
	require.Contains(t, string(code), blocks(t, "codecs", "\ntype gobCodec")[0])
}

// A sample stands in the page as Check writes it.
func TestTheSampleInTheDocumentationIsOne(t *testing.T) {
	type shopPlaced struct {
		Customer string `json:"customer"`
		Total    int64  `json:"total"`
	}
	r := released(t, as[shopPlaced](1))
	require.Equal(t, strings.TrimSpace(r.files(t)["order.placed.v1.json"]), blocks(t, "samples", "\n{")[0])
}
