module github.com/tidemark-go/tidemark/codecs/protobuf

go 1.25.0

require (
	github.com/stretchr/testify v1.12.1
	github.com/tidemark-go/tidemark v0.0.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/google/uuid v1.6.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/tidemark-go/tidemark => ../..
