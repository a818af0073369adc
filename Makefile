# Everything the project does, by name. `make` alone lists it.

GO ?= go
# Goes to go test: make test TESTFLAGS='-count=5 -run Hammer'
TESTFLAGS ?=
# Pinned, so that a new release of the linter breaks nobody's build. Built by `go run`, so that it need not be installed.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
WITH_POSTGRES := $(GO) run ./internal/pgtest/with
# The root and the modules inside it, each of which has its own dependencies.
MODULES := $(sort $(patsubst %/go.mod,%,$(shell find . -name go.mod)))
# bench has no tests: it is run by hand.
TESTED := $(filter-out ./bench,$(MODULES))
# $(call each,MODULES,COMMAND) runs a command in each module.
each = set -e; for m in $(1); do echo "$$m: $(2)"; (cd $$m && $(2)); done

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A program under the race detector waits when it ends, in case that somebody else has found a race: a second, for each package.
export GORACE ?= atexit_sleep_ms=100

# Many tests wait, for a timeout or for the disk: more of them at a time, and more packages, than there are cores. The packages
# that take longest come first, those that wait beside those that compute, so that none of them is left over at the end.
RACE_TEST := $(GO) test -race -timeout 60m -p 3 -parallel 6 $(TESTFLAGS)
LONGEST := ./drivers/postgres ./internal/chaos ./internal/crash ./projection ./internal/torture ./drivers/sqlite
.PHONY: test
test: ## run every test, with the race detector; finds, starts or installs a Postgres
	@$(WITH_POSTGRES) $(MAKE) --no-print-directory --jobs=2 test-root test-nested

.PHONY: test-root test-nested
test-root:
	@$(RACE_TEST) $(LONGEST) ./...
test-nested:
	@$(call each,$(filter-out .,$(TESTED)),$(RACE_TEST) ./...)

# How long each of them fuzzes.
FUZZTIME ?= 60s
.PHONY: fuzz
fuzz: ## fuzz every decode path for FUZZTIME each, 60s if it is not given
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u | while read -r dir; do \
		for name in $$(sed -nE 's/^func (Fuzz[[:alnum:]_]+).*/\1/p' $$dir/*_test.go); do echo "$$dir: $$name"; \
			(cd $$dir && $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x .); \
		done; done

# How long each of them goes on, about: all together take some ten minutes.
TORTURE ?= 30s
TORTURED := ./drivers/memory ./drivers/sqlite ./drivers/postgres ./internal/crash ./internal/chaos ./internal/torture
.PHONY: torture
torture: ## what make test has in short: histories, the hammer, faults, crashes, chaos, and large sizes; prints the seeds
	TIDEMARK_TORTURE=$(TORTURE) $(WITH_POSTGRES) $(GO) test -race -v -count=1 -timeout 60m -parallel 6 -skip 'Conformance|Model' $(TORTURED)

.PHONY: bench
bench: ## measure beside the limits and the widespread ways, and write docs/benchmarks.md; ten minutes of a machine with nothing else to do
	cd bench && $(GO) run . -out ../docs/benchmarks.md

.PHONY: bench-full
bench-full: ## growth, with a store of 10 million events; needs 20 GB of disk
	cd bench && $(GO) run . -full -only growth -out ../docs/benchmarks-growth.md

.PHONY: bench-slow-disk
bench-slow-disk: ## the appends, with every sync to disk 1.5 ms slower, by LD_PRELOAD, so on Linux only
	dir=$$(mktemp -d) && trap 'rm -rf $$dir' EXIT && chmod 755 $$dir && cc -shared -fPIC -o $$dir/slowsync.so bench/slowdisk/slowsync.c && cd bench && \
		$(GO) build -o $$dir/bench . && SLOWSYNC_US=1500 LD_PRELOAD=$$dir/slowsync.so $$dir/bench -only /append- -out ../docs/benchmarks-slow-disk.md

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
fmt: ## format every file, and tidy every module
	gofmt -w .
	@$(call each,$(MODULES),$(GO) mod tidy)

# Both checks look at what the tests build, so that SQLite is compiled once and not twice.
.PHONY: vet
vet: ## go vet
	@$(call each,$(MODULES),$(GO) vet -race ./...)

.PHONY: lint
lint: ## staticcheck; staticcheck.conf says which checks
	@$(call each,$(MODULES),$(GO) run -exec 'env GOFLAGS=-race' $(STATICCHECK) ./...)

.PHONY: tidy
tidy: ## fail if go.mod or go.sum is not tidy
	@$(call each,$(MODULES),$(GO) mod tidy -diff)

.PHONY: cover
cover: ## run every test and say how much of the code they reach
	$(WITH_POSTGRES) $(GO) test -coverpkg=./... -coverprofile=coverage.out $(TESTFLAGS) ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

.PHONY: postgres
postgres: ## start a throw-away Postgres to play with, until Ctrl-C
	@$(WITH_POSTGRES)
