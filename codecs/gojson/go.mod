module github.com/tidemark-go/tidemark/codecs/gojson

go 1.25.0

require (
	github.com/goccy/go-json v0.12.0
	github.com/google/uuid v1.6.0
	github.com/stretchr/testify v1.12.1
	github.com/tidemark-go/tidemark v0.0.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace github.com/tidemark-go/tidemark => ../..
