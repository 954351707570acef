#!/usr/bin/env bash
# The alert rules are tested with promtool.
set -euo pipefail
command -v promtool >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing promtool for the tests of the alert rules"
  apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null && exit 0
fi
echo "the alert rules are not tested: install promtool (Debian: apt install prometheus)" >&2
