# ringfence: `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS := build/tools
# Packages that start goroutines: the race detector runs over them.
RACE := ./client ./console ./dialer/... ./ingest/... ./internal/... ./processors/... ./sinks/...

.PHONY: help setup build console-assets demo test bench generate check-generated lint fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

setup: console-assets ## install what the machine lacks: the embedded ClickHouse (cached), the console's scripts
	@tools/setup-chdb.sh

console-assets: console/static/vendor/uPlot.iife.min.js ## copy the console's scripts from npm

console/static/vendor/uPlot.iife.min.js: console/assets/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the console's scripts: install Node.js" >&2; exit 1; }
	@cd console/assets && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@mkdir -p console/static/vendor
	@cp console/assets/node_modules/uplot/dist/uPlot.iife.min.js console/assets/node_modules/uplot/dist/uPlot.min.css console/static/vendor/
	@cp console/assets/node_modules/uplot/LICENSE console/static/vendor/uPlot.LICENSE
	@touch $@

build: console-assets ## build bin/ringfence
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ringfence ./cmd/ringfence

demo: setup build ## a call centre at work on this machine (ARGS="--once --format json" passes arguments on)
	@bin/ringfence demo $(ARGS)

test: setup check-generated lint ## everything that must be green
	go test ./...
	@tools/need-cc.sh
	CGO_ENABLED=1 go test -race -short $(RACE)

bench: setup ## figures, as ratios within one run
	go run ./cmd/bench

lint: $(TOOLS)/staticcheck ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt-ed: $$out"; exit 1; }
	go vet ./...
	$(TOOLS)/staticcheck ./...

generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-vtproto ## generate the messages from event/event.proto
	@$(TOOLS)/buf generate

check-generated: generate ## the committed generated code is current
	@git diff --exit-code -- event/event.pb.go event/event_vtproto.pb.go >/dev/null || { echo "event/*.pb.go are not current: run make generate and commit"; exit 1; }

$(TOOLS)/%: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	@cd tools && GOBIN=$(CURDIR)/$(TOOLS) go install $$(sed -nE 's#^\t?(tool )?(.*/$*)$$#\2#p' go.mod | head -n 1)

fuzz: ## run every fuzz target for FUZZTIME (default 60s)
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-60s} $$p || exit 1; done; done

clean: ## remove the build output (the cache stays)
	@rm -rf bin build console/assets/node_modules console/static/vendor/uPlot*
