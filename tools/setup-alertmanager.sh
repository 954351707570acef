#!/usr/bin/env bash
# Prints where Alertmanager is, for `make test-alerts`.
set -euo pipefail
for name in prometheus-alertmanager alertmanager; do
  if command -v "$name"; then exit 0; fi
done
echo "make test-alerts needs Alertmanager (Debian: apt install prometheus-alertmanager)" >&2
exit 1
