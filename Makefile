# make alone prints the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
GO       = go
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck

# Tests that need a Postgres are in files *_pg_test.go; unit leaves them out.
POSTGRES_TESTS = $$(grep -rhoE '^func Test[A-Za-z0-9_]+' --include='*_pg_test.go' . | sed 's/^func //' | paste -sd '|' -)

WITHOUT_CLIENTS = $$($(GO) list ./... | grep -vE '/test/(e2e|drill)$$')

# The packages with benchmarks; go test runs one after the other.
WITH_BENCHMARKS = $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u)

# In front of a command: the Postgres that devdb takes and, as $race, the race
# detector's flag. Both scripts install what is missing and where it is allowed.
WITH_POSTGRES = set -e; bin="$$(scripts/postgres.sh)"; race="$$(scripts/race.sh)"; set -x; WALCAST_PG_BIN="$$bin"

# What depends on Postgres' version: slots, publications, catalogs, what the
# server sends, the schema, policies, values. versions tries all of these
# packages, test the core of them and failover slots.
VERSIONS  ?= 14 16 17 18
VERSIONED  = ./replication/... ./migrations ./policy ./filters/... ./channels/live
VERSIONED_CORE = DroppedSlot|LostSlot|Slot.*Ours|SlotStatus|TimedOut|Publication|Promot|Recorded|Builtin|FastStop|Describe|Failover
VERSIONED_CORE := $(VERSIONED_CORE)|Apply|TestSend|BroadcastChanges|MaintainKeeps|VisibilityIsThatOfPostgres|PrivateTopics|TestView|TypesRead

# $(call on,VERSION,ARGUMENTS) tests with a version of Postgres, after set -e.
on = bin="$$(scripts/postgres.sh $(1))"; echo "Postgres in $$bin"; WALCAST_PG_BIN="$$bin" $(GO) test $$race -timeout 15m $(2)

FUZZTIME  ?= 20s
BENCHTIME ?= 1s
BENCH     ?= .
DURATION  ?= 10m
SEED      ?= 0
DRILL     ?=
NODES     ?= 1
LIVE      ?=
ACCESS    ?=
HOSTILE   ?=

.DEFAULT_GOAL := help
.PHONY: help build dev test unit race versions e2e fuzz drill access hostile model bench lint structure fmt clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/walcast, static, with its version
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/walcast ./cmd/walcast

dev: build ## try it: a page to open, a throwaway Postgres and a writer (installs Postgres if need be)
	@set -e; bin="$$(scripts/postgres.sh)"; WALCAST_PG_BIN="$$bin" exec bin/walcast dev --demo

test: ## everything: race detector, real Postgres, real clients (installs what it lacks)
	@$(WITH_POSTGRES) $(GO) test $$race -timeout 25m ./...
	@$(WITH_POSTGRES) $(GO) test -C tools ./...
	@set -e; race="$$(scripts/race.sh)"; \
	for version in 14 18; do $(call on,$$version,-run '$(VERSIONED_CORE)' $(VERSIONED)); done; \
	$(call on,17,-run Failover ./replication)

unit: ## what needs nothing but Go, in seconds
	$(GO) test -skip "^($(POSTGRES_TESTS))$$" $(WITHOUT_CLIENTS)
	$(GO) test -C tools -skip "^($(POSTGRES_TESTS))$$" ./...

race: ## all but the real clients' tests: needs no Node
	@$(WITH_POSTGRES) $(GO) test $$race -timeout 25m $(WITHOUT_CLIENTS)

versions: ## what depends on Postgres' version, on each of VERSIONS (14 16 17 18)
	@set -e; race="$$(scripts/race.sh)"; \
	for version in $(VERSIONS); do $(call on,$$version,-skip MillionRows $(VERSIONED)); done

e2e: ## only the real clients' tests, against a fresh binary and a real Postgres
	@$(WITH_POSTGRES) $(GO) test -count=1 -v ./test/e2e

drill: ## check that nothing is lost while all is harmed at random, for DURATION (10m), again with SEED; NODES=3: between the nodes of a cluster; LIVE=1: of live tables
	@$(WITH_POSTGRES) $(GO) test -count=1 -timeout 0 -v -run '$(if $(LIVE),TestViewsAreWhatSelectSays,TestNothingIsLost)' ./test/$(if $(LIVE),livedrill,drill) -duration $(DURATION) -seed $(SEED) $(if $(LIVE),,-nodes $(NODES)) $(DRILL)

# With VERSIONS it goes on to the next version whatever came of one; the figures of all come last.
access: ## check that nobody sees what Postgres would hide while access is changed at random, for DURATION (10m) on each of VERSIONS (one), again with SEED
	@report="$$(mktemp)"; trap 'rm -f "$$report"' EXIT; status=0; \
	for version in $(if $(findstring file,$(origin VERSIONS)),any,$(VERSIONS)); do \
		bin="$$(scripts/postgres.sh $${version#any})" && WALCAST_PG_BIN="$$bin" \
		$(GO) test -count=1 -timeout 0 -v -run 'TestNobodySees' ./test/access -duration $(DURATION) -seed $(SEED) -report "$$report" $(ACCESS) || status=1; \
	done; cat "$$report"; exit $$status

hostile: DURATION = 20s
hostile: ## attack a server for DURATION (20s) in each way, and measure what others notice, again with SEED, HOSTILE="-attack NAME" for one
	@$(WITH_POSTGRES) $(GO) test -count=1 -timeout 0 -v -run 'TestNobodyStalls' ./test/hostile -duration $(DURATION) -seed $(SEED) $(HOSTILE)

model: ## have spin look through the models of the cluster (docs/model) and find the mistakes planted there: minutes, needs Debian's spin and gcc
	$(GO) test -count=1 -timeout 30m -parallel 2 -v -tags spin -run TestSpin ./test/model

fuzz: ## run every fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh $(FUZZTIME)

bench: ## run the benchmarks named BENCH for BENCHTIME each; docs/benchmarks.md
	@$(WITH_POSTGRES) $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 15m $(WITH_BENCHMARKS)

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) vet -C tools ./...
	$(STATICCHECK) ./...

structure: ## sizes, references and what is too long, as Markdown tables; BASE=v1.0.0 puts an earlier commit beside
	@set -e; set -- now='$(CURDIR)'; \
	if [ -n '$(BASE)' ]; then \
		before="$$(mktemp -d)"; trap 'rm -rf "$$before"' EXIT; \
		git archive '$(BASE)' | tar -x -C "$$before"; set -- before="$$before" after='$(CURDIR)'; \
	fi; \
	$(GO) run -C tools ./structure "$$@"

fmt: ## format all Go code
	gofmt -w .

clean: ## remove what was built
	rm -rf bin .cache
