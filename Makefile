# Everything the project does, by name. `make` alone lists it.

GO ?= go
# Goes to go test: make test TESTFLAGS='-count=5 -run Hammer'
TESTFLAGS ?=
# Pinned, so that a new release of the linter breaks nobody's build. Built by `go run`, so that it need not be installed.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
WITH_POSTGRES := $(GO) run ./internal/pgtest/with

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## run every test, with the race detector; finds, starts or installs a Postgres
	$(WITH_POSTGRES) $(GO) test -race -timeout 30m $(TESTFLAGS) ./...

.PHONY: torture
torture: ## a minute of the hammer on Postgres, and processes and servers killed
	TIDEMARK_TORTURE=60s $(WITH_POSTGRES) $(GO) test -race -v -timeout 20m -run 'Hammer|Killed|Struck' ./drivers/postgres ./internal/crash

.PHONY: bench
bench: ## measure beside the limits and the widespread ways, and write docs/benchmarks.md; for a machine with nothing else to do
	cd bench && $(GO) run . -out ../docs/benchmarks.md

.PHONY: bench-full
bench-full: ## the same with more rounds and a store of 10 million events; takes an hour and 20 GB of disk
	cd bench && $(GO) run . -full -out ../docs/benchmarks.md

.PHONY: bench-compare
bench-compare: ## compare the Go benchmarks with those of a commit: make bench-compare BASE=HEAD~1
	$(WITH_POSTGRES) bench/compare $(or $(BASE),HEAD)

.PHONY: ci
ci: check test ## what CI runs: every check, then every test

.PHONY: check
check: format vet lint tidy ## everything that needs no test run

.PHONY: format
format: ## fail if a file is not formatted
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then printf '%s\n' "$$files" "not formatted; run: make fmt" >&2; exit 1; fi

.PHONY: fmt
fmt: ## format every file
	gofmt -w .

# Both checks look at what the tests build, so that SQLite is compiled once and not twice.
.PHONY: vet
vet: ## go vet
	$(GO) vet -race ./...

.PHONY: lint
lint: ## staticcheck; staticcheck.conf says which checks
	$(GO) run -exec 'env GOFLAGS=-race' $(STATICCHECK) ./...

.PHONY: tidy
tidy: ## fail if go.mod or go.sum is not tidy
	$(GO) mod tidy -diff

.PHONY: cover
cover: ## run every test and say how much of the code they reach
	$(WITH_POSTGRES) $(GO) test -coverpkg=./... -coverprofile=coverage.out $(TESTFLAGS) ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

.PHONY: postgres
postgres: ## start a throw-away Postgres to play with, until Ctrl-C
	@$(WITH_POSTGRES)
