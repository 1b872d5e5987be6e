# `make` prints the targets. `make run` and `make test` are all that most people need.
SHELL := /bin/bash
export CGO_ENABLED := 0
SHARED ?= $(abspath ../shared)
export AURELIUS_SHARED ?= $(SHARED)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
DATA ?= data

.PHONY: help build run test check fmt vet layers unit race e2e generate conformance fuzz scale kill bench bench-codec bench-pixels ohif bench-nodes bench-scale parts-stop

help: ## print the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## build bin/aurelius, one static binary
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/aurelius ./cmd/aurelius

run: build ## start everything on an embedded default: DICOM 4242, HTTP 8000 and 8042, data in ./data
	exec bin/aurelius serve --data $(DATA)

test: check race e2e ## all that CI runs: check, race, unit, contract suites, e2e with the peers

check: fmt vet layers ## format, vet, layers, generated files are current

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt'ed: $$out"; exit 1; }

vet:
	go vet ./...

layers:
	go test -count=1 ./internal/layers

unit: ## the tests beside the code, without the race detector
	go test ./...

race: ## the tests beside the code under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 20m $$(go list ./... | grep -v /e2e)

e2e: build ## whole journeys with DCMTK, pynetdicom, dicomweb-client, Orthanc
	go test -count=1 -timeout 20m ./e2e/...

generate: ## tables from ../shared/standard, docs/CONFORMANCE.md
	go run ./internal/gen -standard $(SHARED)/standard
	$(MAKE) conformance

conformance: build ## docs/CONFORMANCE.md from the registries that serve
	bin/aurelius conformance > docs/CONFORMANCE.md

FUZZTIME ?= 10m
fuzz: ## every fuzz target for FUZZTIME (10m) each
	@set -e; for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$p; done; done

scale: build ## 200,000 instances at a flat rate; ten senders of 1 GB objects in bounded memory; two nodes
	AURELIUS_LONG=1 go test -count=1 -timeout 60m -run 'TestScale|TestMemory|TestTwoNodesRead' -v ./e2e

KILLS ?= 50
kill: build ## kill -9 at random moments, KILLS (50) rounds each of receiving, storing by web and deleting
	AURELIUS_KILL_ROUNDS=$(KILLS) go test -count=1 -timeout 60m -run TestKill -v ./e2e

NODES ?= --rounds 3 --query-rounds 1
bench-nodes: build ## PostgreSQL + MinIO side by side with SQLite + files, and with Orthanc on PostgreSQL
	mkdir -p bench-results
	export INSTANCE=aurelius-bench; $(SHARED)/parts/minio start && trap '$(SHARED)/parts/minio clean' EXIT && \
	  sed "s#@S3@#$$($(SHARED)/parts/minio url)#" bench/targets/aurelius-nodes.json >bench-results/aurelius-nodes.json && \
	  PATH=$(CURDIR)/bin:$$PATH $(SHARED)/harness/bench.py $(SHARED)/harness/targets/orthanc-postgres.json \
	  bench-results/aurelius-nodes.json $(SHARED)/harness/targets/aurelius.json $(NODES) --out bench-results/nodes

parts-stop: ## end the peer services that tests have started (postgres, minio, redis, kafka)
	@for part in postgres minio redis kafka; do INSTANCE=aurelius-test $(SHARED)/parts/$$part clean >/dev/null 2>&1 || true; done

BENCH ?= --rounds 3
bench: build ## side by side with Orthanc in one run (about 30 minutes; BENCH=--quick: 3)
	mkdir -p bench-results
	PATH=$(CURDIR)/bin:$$PATH $(SHARED)/harness/bench.py $(SHARED)/harness/targets/orthanc-sqlite.json \
	  $(SHARED)/harness/targets/aurelius.json $(BENCH) --out bench-results/bench
	$(MAKE) bench-codec

bench-codec: ## our codecs beside DCMTK's, libjpeg-turbo and CharLS on the same frames, tables in docs/CODECS.md (3 minutes)
	go run ./bench/codec -shared $(SHARED) -out docs/CODECS.md

PIXELS ?= --rounds 3
bench-pixels: build ## one frame of 300, /rendered and thumbnails, side by side with Orthanc in one run (5 to 10 minutes)
	mkdir -p bench-results
	PATH=$(CURDIR)/bin:$$PATH python3 bench/pixels/pixels.py $(SHARED)/harness $(PIXELS) --out bench-results/pixels.md

ohif: build ## OHIF opens one study of each modality of ../shared/data from us; look at bench-results/ohif/*.png (15 minutes)
	bench/pixels/ohif.sh bin/aurelius $(SHARED) bench-results/ohif

SIZES ?= 10000,100000,1000000
ENGINES ?= sqlite,postgres
bench-scale: ## the index at 10 k to 10 M instances (SIZES=...,10000000), table in docs/SCALE.md
	go run ./bench/scale -engines $(ENGINES) -sizes $(SIZES) -shared $(SHARED) -dir bench-results/scale -out docs/SCALE.md
