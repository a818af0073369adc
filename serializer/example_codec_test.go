package serializer_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidemark-go/tidemark/serializer"
)

// CatalogueImported is large, and compresses well.
type CatalogueImported struct {
	Items []string `json:"items"`
}

// gzipJSON stores payloads as compressed JSON.
type gzipJSON struct{}

func (gzipJSON) ContentType() string { return "application/json+gzip" }

func (gzipJSON) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	err := errors.Join(json.NewEncoder(w).Encode(v), w.Close())
	return b.Bytes(), err
}

func (gzipJSON) Unmarshal(data []byte, v any) error {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// Events keep being read by the codec they were written with, whichever codec their type has today.
func ExampleWithCodec() {
	before := serializer.NewRegistry(nil)
	serializer.Register[CatalogueImported](before, "catalogue.imported")

	reg := serializer.NewRegistry(nil)
	serializer.Register[CatalogueImported](reg, "catalogue.imported", serializer.WithCodec(gzipJSON{}))

	for _, writer := range []*serializer.Registry{before, reg} {
		stored, err := writer.Encode(CatalogueImported{Items: strings.Fields(strings.Repeat("mug ", 1000))})
		if err != nil {
			fmt.Println(err)
		}
		event, err := reg.Decode(stored)
		fmt.Println(stored.ContentType, len(stored.Data) < 1000, len(event.(CatalogueImported).Items), err)
	}
	// Output:
	// application/json false 1000 <nil>
	// application/json+gzip true 1000 <nil>
}

// A codec that no type is written by any longer stays for reading.
func ExampleOptions() {
	before := serializer.NewRegistry(&serializer.Options{Codec: gzipJSON{}})
	serializer.Register[CatalogueImported](before, "catalogue.imported")
	stored, err := before.Encode(CatalogueImported{Items: []string{"mug"}})
	if err != nil {
		fmt.Println(err)
	}

	reg := serializer.NewRegistry(&serializer.Options{Codecs: []serializer.Codec{gzipJSON{}}})
	serializer.Register[CatalogueImported](reg, "catalogue.imported")
	event, err := reg.Decode(stored)
	fmt.Println(event, err)
	// Output:
	// {[mug]} <nil>
}
