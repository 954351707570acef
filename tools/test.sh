#!/usr/bin/env bash
# The tests, in two runs side by side: whatever starts goroutines runs under the race detector; whole processes and long
# calculations run without it. Most tests wait for a broker or an engine more than they compute, hence more packages at a
# time than processors. What is left out of the race detector's run (-short) is in the other one.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(( $(getconf _NPROCESSORS_ONLN) + 1 ))
calculations="./processors/kpi/recompute ./processors/complaint/trial ./processors/contactcap"
tested() { CGO_ENABLED=${cgo:-0} go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "$@"; }
racing=$(tested ./client ./console ./dialer/... ./ingest/... ./internal/... ./processors/... ./sinks/... | grep -v processors/complaint/trial)
module=$(go list -m)
# A package stands in exactly one of the two runs, but for the calculations, whose other tests race.
plain=$(comm -23 <(tested ./... | sort) <(printf '%s\n' $racing | sort); tested $calculations)
mkdir -p build
set +e
go test -vet=off -timeout 45m $(printf '%s\n' $plain | sort -u) >build/plain.log 2>&1 &
CGO_ENABLED=1 go test -vet=off -race -short -timeout 45m -p "$jobs" $racing 2>&1 | sed -u "s#$module/##"
race=${PIPESTATUS[0]}
wait $!
rc=$?
set -e
sed "s#$module/##" build/plain.log
[ "$race" = 0 ] && [ "$rc" = 0 ]
