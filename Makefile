# Every target works on a machine with Go; contracts and the full gate also want Node and npm.
GO       ?= go
FUZZTIME ?= 5s
SOAK     ?= 2m
TOOL     := $(GO) tool -modfile=tools/go.mod

# The committed measurement that bench-compare compares with.
BASELINE := conformance/testdata/bench.txt
MEASURE  := $(GO) test -run '^$$' -cpu 1 -count 6 -benchtime 0.1s

.PHONY: check test lint fuzz soak invariants mutation mutation-brief demo bench bench-baseline bench-compare bench-measure gas generate tools image schedules attacks

## check: everything that a change must pass before it is handed over
check: lint test

## test: all tests; what a machine lacks is skipped unless ELENCHUS_REQUIRE names it
test:
	$(GO) test ./...

## lint: format, vet, staticcheck
lint:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck -checks inherit,-SA1019,-S1016 ./...

## fuzz: each fuzz target for FUZZTIME
fuzz:
	GO=$(GO) tools/fuzz.sh $(FUZZTIME)

## soak: the pure core twenty times, shuffled; every crash and flipped bit; the gateway under load; each fuzz target for SOAK
soak:
	$(GO) test -count=20 -shuffle=on -timeout 60m ./compute/... ./commitment/... ./settlement/...
	ELENCHUS_SOAK=1 $(GO) test -count=1 -parallel 4 -timeout 60m ./conformance -run 'Crash|FlippedBit|Wide|EveryOperation|HonestNode'
	ELENCHUS_SOAK=1 $(GO) test -count=1 -timeout 30m ./importer -run DefaultModelLoss
	ELENCHUS_SOAK=1 $(GO) test -count=1 -timeout 30m ./app -run LargeImport -v
	ELENCHUS_SOAK=1 ELENCHUS_SLOPE=10m $(GO) test -count=1 -timeout 30m ./app -run Overhead -v
	$(MAKE) fuzz FUZZTIME=$(SOAK)

## schedules: a hundred thousand random schedules of faults and attacks in virtual time
schedules:
	ELENCHUS_SCHEDULES=100000 $(GO) test -count=1 -timeout 120m ./conformance/virtual -run Schedules -v

## attacks: every attack of the kit on real services and contracts
attacks:
	ELENCHUS_SOAK=1 $(GO) test -count=1 -timeout 60m ./conformance -run EveryAttack -v

## invariants: forge's random histories of games, and every transition and refusal of the arena a thousand times
invariants:
	cd contracts && FOUNDRY_INVARIANT_RUNS=256 FOUNDRY_INVARIANT_DEPTH=200 node forge.mjs test --match-contract Invariant
	ELENCHUS_SOAK=1 $(GO) test -count=1 -timeout 60m ./conformance -run 'EveryTransition|EveryRefusal' -v

## mutation-brief: some decisions of the rules of the game made to come out wrong, without the compiler
mutation-brief:
	ELENCHUS_SOAK=1 $(GO) test -count=1 -timeout 30m ./conformance -run WrongDecisions -v

## mutation: every decision of the contracts made to come out wrong, one after the other; survivors in dist/survivors.tsv
mutation:
	mkdir -p dist && cd contracts && node branches.mjs ../dist/decisions.json && node forge.mjs build >/dev/null
	ELENCHUS_FORGE=$(CURDIR)/contracts/out ELENCHUS_MUTANTS=$(CURDIR)/dist/decisions.json ELENCHUS_SURVIVORS=$(CURDIR)/dist/survivors.tsv \
		$(GO) test -count=1 -timeout 240m ./conformance -run MutantsAreKilled -v

## demo: an answer, a cheat, the challenge and the slash
demo:
	$(GO) run ./cmd/elenchus demo

## bench: benchmarks as benchstat reads them
bench:
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./compute/... ./commitment/... ./engine/...

## bench-baseline: what bench-compare compares with, as this machine is now
bench-baseline: BENCH := $(BASELINE)
bench-baseline: bench-measure

## bench-compare: the same beside the committed baseline; on a busy machine look at cpu-ns/op
bench-compare: BENCH := dist/bench.txt
bench-compare: bench-measure
	$(TOOL) benchstat $(BASELINE) $(BENCH)

# Products of the kernels that this processor has, a token's commitment and its share, seals.
bench-measure:
	mkdir -p $(dir $(BENCH))
	$(MEASURE) -bench '^BenchmarkLinear(Blocks)?$$/^(avx2|avx512|neon|sdot)$$/^(1536x|.Bits)' ./compute/kernel > $(BENCH)
	$(MEASURE) -bench 'CommitToken|DecodeToken|Seals' ./commitment/trace ./engine >> $(BENCH)

## gas: what evaluators and games cost, compared with the golden files
gas:
	$(GO) test ./conformance -run 'Gas' -count=1 -v

## generate: vectors of the op set, contract artifacts
generate:
	$(GO) generate ./...
	$(GO) test ./conformance -run '^TestOpVectors$$' -count=1 -update
	cd contracts && npm install --no-save --ignore-scripts --no-audit --no-fund && node build.mjs

## tools: programs that tests use when they are there
tools:
	cd tools && npm install --no-save --ignore-scripts --no-audit --no-fund

## image: an OCI image layout in dist/image, built without a container engine and inspected
image:
	$(GO) run -C tools/image . -root ../.. -out ../../dist/image
