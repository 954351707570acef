# ringfence: `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS := build/tools

.PHONY: help setup build console-assets demo test bench bench-kafka oracle figures mutants chaos test-kafka kill-sink month qa-load generate check-generated lint fuzz clean schema

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

test: setup check-generated lint schema ## everything that must be green
	@tools/need-promtool.sh
	@tools/need-cc.sh
	@tools/test.sh

bench: setup ## figures, as ratios within one run
	go run ./cmd/bench

bench-kafka: ## permits and decisions on one Apache Kafka broker (needs Java 17 and Maven)
	tools/bench-kafka.sh decisions latency

oracle: ## a million random decisions compared with an independent oracle
	go test ./processors/contactcap -run '^TestOracle$$' -oracle.cases $${CASES:-1000000} -oracle.seed 0 -timeout 60m -v

figures: ## every metric of a generated week of a million calls against a calculation of its own (CALLS=N for another size)
	go test ./processors/kpi/recompute -run '^TestWeek$$|^TestDailyRollups' -daily.rounds 6 -v -timeout 3h -week.calls $${CALLS:-1000000}

mutants: ## break the decision engine on purpose and check that the oracle notices
	@go run ./cmd/mutants

chaos: setup ## ten minutes of clients and kill -9 (CHAOS=1m for less)
	go test ./cmd/ringfence -run '^TestChaos$$' -v -timeout 60m -chaos.for $${CHAOS:-10m} -chaos.customers 1000

test-kafka: setup ## two processes on three Apache Kafka brokers, some of them killed (needs Java 17 and Maven)
	RINGFENCE_KAFKA_LIBS=$$(tools/setup-kafka.sh) go test ./cmd/ringfence -run '^TestApache' -v -timeout 40m -chaos.for $${CHAOS:-60s} -sink.rows $${ROWS:-500000} -sink.kills $${KILLS:-12}

kill-sink: setup ## kill ringfence and ClickHouse 20 times while 2 million rows are loaded (ROWS=, KILLS=)
	go test ./cmd/ringfence -run '^TestSinkKilled$$' -v -timeout 40m -sink.rows $${ROWS:-2000000} -sink.kills $${KILLS:-20}

month: ## a month of 500,000 recordings of 100 agents drawn, redone and tested for chance
	go test ./processors/sampling -run '^TestMonth$$|^TestNoStrategy' -v -timeout 30m -month.agents 100 -month.recordings 500000

qa-load: ## 50 raters over HTTP against 100,000 open tasks: claims within 50 ms
	go test ./internal/app -run '^TestRatersAtOnce$$' -v -timeout 20m -qa.tasks 100000 -qa.claims 20 -qa.think 500ms -qa.p99 50ms

.PHONY: alerts-trial test-alerts
alerts-trial: ## the watch on simulated years, beside other methods
	@go run ./cmd/ringfence alerts trial

test-alerts: setup ## a spike of complaints, measured up to Debian's Alertmanager and the last dial; twenty kills before a notification
	RINGFENCE_ALERTMANAGER=$$(tools/setup-alertmanager.sh) go test ./cmd/ringfence -run '^(TestSpikeStopsTheCampaign|TestAlertmanagerForgets|TestToldOverKills)$$' -v -timeout 30m -alerts.kills $${KILLS:-20}

lint: $(TOOLS)/staticcheck ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt-ed: $$out"; exit 1; }
	go vet ./...
	$(TOOLS)/staticcheck ./...

generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-vtproto ## generate the messages from event/*.proto, docs/metrics.md, the dashboards
	@$(TOOLS)/buf generate
	@go run ./cmd/ringfence kpi list --format markdown > docs/metrics.md
	@go run ./cmd/ringfence dashboards export --out deploy/grafana/dashboards >/dev/null
	@go run ./cmd/ringfence dashboards export --out deploy/grafana/dashboards-zh --lang zh >/dev/null

check-generated: generate ## the committed generated code is current
	@git diff --exit-code -- event docs/metrics.md deploy >/dev/null || { echo "generated files are not current: run make generate and commit"; exit 1; }

$(TOOLS)/%: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	@cd tools && GOBIN=$(CURDIR)/$(TOOLS) go install $$(sed -nE 's#^\t?(tool )?(.*/$*)$$#\2#p' go.mod | head -n 1)

schema: ## the exported dashboards against the types Grafana publishes
	@[ -d tools/grafana-schema/node_modules ] || (cd tools/grafana-schema && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	@node tools/grafana-schema/check.mjs deploy/grafana/dashboards/*.json deploy/grafana/dashboards-zh/*.json

# Without its limit the making smaller of a first find takes up to a minute: all of the time, and nothing is fuzzed.
fuzz: ## run every fuzz target for FUZZTIME (default 60s)
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	  echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-60s} -fuzzminimizetime 1s $$p || exit 1; done; done

clean: ## remove the build output (the cache stays)
	@rm -rf bin build console/assets/node_modules console/static/vendor/uPlot*
