module github.com/tidemark-go/tidemark/codecs/cbor

go 1.25.0

require (
	github.com/fxamacker/cbor/v2 v2.10.0
	github.com/google/uuid v1.6.0
	github.com/stretchr/testify v1.12.1
	github.com/tidemark-go/tidemark v0.0.0
)

require (
	github.com/x448/float16 v0.8.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/tidemark-go/tidemark => ../..
