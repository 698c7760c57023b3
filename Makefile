# Everything here works on a machine with Go and make; what else is needed is installed or named.

# Nothing needs cgo but the race detector. Without it binaries are static, and sqlc parses with WebAssembly, which spares
# minutes of compiling PostgreSQL's parser in C.
export CGO_ENABLED = 0

# The version that both binaries print.
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

# -buildvcs=false: the version above says more, and Go's own refuses clones that belong to another user.
BUILD_FLAGS := -buildvcs=false -trimpath -ldflags '-X main.version=$(VERSION)'

# How often each benchmark runs.
COUNT ?= 1

# How long each fuzz target runs.
FUZZTIME ?= 30s

# How long faults are drawn, and from which seed; empty: a random one, which is printed. The environment has no say in the
# first: bash has a variable of that name.
SECONDS = 60
SEED ?=

# A compiler without the C library's headers cannot build the race detector.
RACE = $(shell printf '\043include <stdlib.h>\nint main(void) { return 0; }\n' | \
	$${CC:-cc} -x c -o /dev/null - 2>/dev/null && echo -race)

.DEFAULT_GOAL := help
.PHONY: help build demo test replay every-step interleavings disk-full generate verify verify-generated verify-format verify-modules \
	verify-vet verify-imports vet-sql bench fuzz torture clean postgres

help: ## Print this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

build: ## Build bin/shard-client and bin/shard-lab, static
	go build $(BUILD_FLAGS) -o bin/ ./runner/cmd/shard-client ./runner/cmd/shard-lab

demo: build postgres ## Play a whole lab live on this machine; WATCH=1 goes on until Ctrl-C
	@bin/shard-lab demo $(if $(filter-out 0,$(WATCH)),--watch)

# testrun gives all packages one PostgreSQL and one build of the programs, and removes both.
# The longest package begins first: at the end it would have the machine to itself, and the other core would idle.
test: postgres ## Run all tests, with the race detector where a C compiler is
	@race='$(RACE)' cgo=1; \
	[ -n "$$race" ] || { cgo=0; echo 'no working C compiler here: running the tests WITHOUT the race detector'; }; \
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && go build -o "$$dir/testrun" ./runner/cmd/testrun && \
	set -x && CGO_ENABLED=$$cgo "$$dir/testrun" go test $$race -timeout 30m ./runner/shard ./...

# In the suite is every thirteenth of them.
interleavings: postgres ## Play every interleaving of a beat and the scheduler
	go test -count 1 -v -run TestP1P2Interleavings ./runner/shard -interleavings 1

replay: postgres ## Replay a conversation for every kind of difference from the recording
	go test -count 1 ./runner/lab/replay -whole

every-step: postgres ## Kill, stop and cut off shard-client at every single step of a beat
	go test ./runner/faults/process -run AtEveryStep -every-step -timeout 30m

# A disk that fills up must be one of its own: a tmpfs, which only root of the machine may mount.
disk-full: postgres ## Fill PostgreSQL's disk while shard-client writes; needs root
	@disk=$$(mktemp -d); mount -t tmpfs -o size=256m,mode=1777 tmpfs "$$disk" 2>/dev/null || \
		{ rmdir "$$disk"; echo 'disk-full: not run: a tmpfs cannot be mounted here (it takes CAP_SYS_ADMIN)'; exit 0; }; \
	DISK="$$disk" go test -tags diskfull -count=1 -timeout 5m ./runner/faults/process -run TestDiskFull; result=$$?; \
	umount "$$disk" && rmdir "$$disk"; exit $$result

generate: ## Regenerate gen/ from schema/ and queries/
	go tool sqlc generate

verify: ## Check generated code, format, modules, go vet and import directions
	@$(MAKE) --no-print-directory --keep-going verify-generated verify-format verify-modules verify-vet verify-imports

verify-generated:
	@go tool sqlc diff || { echo 'verify: gen/ is not what schema/ and queries/ say: run make generate'; exit 1; }

# Tracked files and those about to be; a module cache inside the clone is neither.
verify-format:
	@files=$$(git ls-files --cached --others --exclude-standard -- '*.go') && [ -n "$$files" ] || files=.; \
	wrong=$$(gofmt -l $$files) && [ -z "$$wrong" ] || { echo "verify: not formatted, run gofmt -w on:" $$wrong; exit 1; }

verify-modules:
	@go mod tidy -diff || { echo 'verify: go.mod or go.sum is not tidy: run go mod tidy'; exit 1; }

verify-vet:
	@go vet ./... || { echo 'verify: go vet found the mistakes above: correct them'; exit 1; }

verify-imports:
	@go test ./runner -run TestImportDirections || \
		{ echo 'verify: a package imports what it must not know (above): move the code, not the arrow'; exit 1; }

vet-sql: build postgres ## Prepare every query against a migrated private PostgreSQL
	bin/shard-lab postgres -- go tool sqlc vet

bench: postgres ## Run the benchmarks, COUNT times each
	go test -run '^$$' -bench . -count $(COUNT) ./...

# Go fuzzes one target at a time. By default it takes a minute to shorten each input that reaches new code, and the time
# is over before anything else ran. Targets are listed, not named here, so that a new one is not forgotten. A directory
# without one has nothing to build, which spares most of the tree.
fuzz: ## Run each fuzz target for FUZZTIME
	@dirs=$$(grep -l --recursive --include='*_test.go' '^func Fuzz' runner | xargs -n 1 dirname | sort -u); ran=0; \
	for dir in $$dirs; do \
		targets=$$(go test -list '^Fuzz' "./$$dir") || { echo "$$targets"; exit 1; }; \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "=== $$dir $$target"; ran=$$((ran + 1)); \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "./$$dir" || exit 1; \
		done; \
	done; [ $$ran -gt 0 ] || { echo 'fuzz: no target found'; exit 1; }

torture: postgres ## Break three shards for SECONDS, faults drawn from SEED; a table, and a failure when anything is lost
	go test -count 1 -timeout $$(($(SECONDS) + 600))s -v -run '^TestTorture$$' ./runner/faults/torture \
		-args -seconds $(SECONDS) -seed $(or $(SEED),0)

clean: ## Remove what was built
	rm -rf bin

postgres:
	@runner/postgres/install.sh
