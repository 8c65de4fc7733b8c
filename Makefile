# make alone prints the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
GO       = go
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck

# Tests that need a Postgres are in files *_pg_test.go; unit leaves them out.
POSTGRES_TESTS = $$(grep -rhoE '^func Test[A-Za-z0-9_]+' --include='*_pg_test.go' . | sed 's/^func //' | paste -sd '|' -)

FUZZTIME  ?= 20s
BENCHTIME ?= 1s
BENCH     ?= .

.DEFAULT_GOAL := help
.PHONY: help build dev test unit race e2e fuzz bench lint fmt clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/walcast, static, with its version
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/walcast ./cmd/walcast

dev: build ## try it: a throwaway Postgres, a writer and a subscriber (installs Postgres if need be)
	@set -e; bin="$$(scripts/postgres.sh)"; WALCAST_PG_BIN="$$bin" exec bin/walcast dev --demo

test: race e2e ## everything: race detector, real Postgres, real clients (installs what it lacks)

unit: ## what needs nothing but Go, in seconds
	$(GO) test -skip "^($(POSTGRES_TESTS))$$" ./...

race: ## all Go tests with the race detector and a real Postgres
	@set -e; bin="$$(scripts/postgres.sh)"; race="$$(scripts/race.sh)"; set -x; \
	WALCAST_PG_BIN="$$bin" $(GO) test $$race -timeout 15m ./...

e2e: build ## the real npm clients against the binary and a real Postgres
	@set -e; test -f e2e/package.json || exit 0; bin="$$(scripts/postgres.sh)"; set -x; \
	cd e2e; npm ci --no-audit --no-fund --loglevel=error; WALCAST_PG_BIN="$$bin" npm test

fuzz: ## run every fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh $(FUZZTIME)

bench: ## run the benchmarks named BENCH for BENCHTIME each
	@set -e; bin="$$(scripts/postgres.sh)"; set -x; \
	WALCAST_PG_BIN="$$bin" $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(STATICCHECK) ./...

fmt: ## format all Go code
	gofmt -w .

clean: ## remove what was built
	rm -rf bin .cache
