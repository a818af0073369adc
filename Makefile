# Everything the project does, by name. `make` alone lists it.

GO ?= go
# Pinned, so that a new release of the linter breaks nobody's build. Built by `go run`, so that it need not be installed.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
WITH_POSTGRES := $(GO) run ./internal/pgtest/with

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## run every test; finds, starts or installs a Postgres
	$(WITH_POSTGRES) $(GO) test -race ./...

.PHONY: ci
ci: fmt vet lint tidy test ## what CI runs: checks, then every test

.PHONY: fmt
fmt: ## fail if a file is not formatted
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run: gofmt -w ." >&2; exit 1; }

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: ## staticcheck; staticcheck.conf has the reason for each exception
	$(GO) run $(STATICCHECK) ./...

.PHONY: tidy
tidy: ## fail if go.mod or go.sum is not tidy
	$(GO) mod tidy -diff

.PHONY: postgres
postgres: ## start a throw-away Postgres to play with, until Ctrl-C
	$(WITH_POSTGRES)
