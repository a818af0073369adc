module github.com/tidemark-go/tidemark/bench

go 1.25.0

require (
	github.com/google/uuid v1.6.0
	github.com/jmoiron/sqlx v1.4.0
	github.com/lib/pq v1.12.3
	github.com/tidemark-go/tidemark v0.0.0
)

require github.com/mattn/go-sqlite3 v1.14.53 // indirect

replace github.com/tidemark-go/tidemark => ..
