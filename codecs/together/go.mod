module github.com/tidemark-go/tidemark/codecs/together

go 1.25.0

require (
	github.com/bytedance/sonic v1.15.5
	github.com/goccy/go-json v0.12.0
	github.com/tidemark-go/tidemark v0.0.0
	github.com/tidemark-go/tidemark/codecs/cbor v0.0.0
	github.com/tidemark-go/tidemark/codecs/protobuf v0.0.0
	github.com/tidemark-go/tidemark/codecs/zstd v0.0.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/bytedance/gopkg v0.1.3 // indirect
	github.com/bytedance/sonic/loader v0.5.3 // indirect
	github.com/cloudwego/base64x v0.1.6 // indirect
	github.com/klauspost/cpuid/v2 v2.2.9 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1 // indirect
	golang.org/x/arch v0.0.0-20210923205945-b76863e36670 // indirect
	golang.org/x/sys v0.46.0 // indirect
)

require (
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/google/uuid v1.6.0
	github.com/jmoiron/sqlx v1.4.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/lib/pq v1.12.3 // indirect
	github.com/mattn/go-sqlite3 v1.14.53 // indirect
	github.com/stretchr/testify v1.12.1
	github.com/x448/float16 v0.8.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace (
	github.com/tidemark-go/tidemark => ../..
	github.com/tidemark-go/tidemark/codecs/cbor => ../cbor
	github.com/tidemark-go/tidemark/codecs/protobuf => ../protobuf
	github.com/tidemark-go/tidemark/codecs/zstd => ../zstd
)
