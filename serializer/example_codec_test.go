package serializer_test

import (
	"fmt"
	"strings"

	"github.com/tidemark-go/tidemark/serializer"
)

// CatalogueImported is large, and compresses well.
type CatalogueImported struct {
	Items []string `json:"items"`
}

// Events keep being read by the codec they were written with, whichever codec their type has today.
func ExampleWithCodec() {
	before := serializer.NewRegistry(nil)
	serializer.Register[CatalogueImported](before, "catalogue.imported")

	reg := serializer.NewRegistry(nil)
	compressed := serializer.Compressed(serializer.JSON(), nil)
	serializer.Register[CatalogueImported](reg, "catalogue.imported", serializer.WithCodec(compressed))

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
	before := serializer.NewRegistry(&serializer.Options{Codec: gobCodec{}})
	serializer.Register[CatalogueImported](before, "catalogue.imported")
	stored, err := before.Encode(CatalogueImported{Items: []string{"mug"}})
	if err != nil {
		fmt.Println(err)
	}

	reg := serializer.NewRegistry(&serializer.Options{Codecs: []serializer.Codec{gobCodec{}}})
	serializer.Register[CatalogueImported](reg, "catalogue.imported")
	event, err := reg.Decode(stored)
	fmt.Println(event, err)
	// Output:
	// {[mug]} <nil>
}

// Small payloads stay plain, and say so.
func ExampleCompressed() {
	codec := serializer.Compressed(serializer.JSON(), &serializer.CompressOptions{
		MinSize: 2048, // bytes; smaller payloads stay plain. Default 1024
		Level:   9,    // of gzip: 1 is the fastest, 9 the smallest. Default 6
	})
	reg := serializer.NewRegistry(&serializer.Options{Codec: codec})
	serializer.Register[CatalogueImported](reg, "catalogue.imported")
	for _, n := range []int{3, 1000} {
		stored, err := reg.Encode(CatalogueImported{Items: strings.Fields(strings.Repeat("mug ", n))})
		fmt.Println(stored.ContentType, err)
	}
	// Output:
	// application/json <nil>
	// application/json+gzip <nil>
}
