#!/usr/bin/env bash
# The race detector needs a C compiler.
set -euo pipefail
command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing gcc for the race detector"
  apt-get update -qq && apt-get install -y -qq gcc libc6-dev >/dev/null
  exit 0
fi
echo "the race detector needs a C compiler: install gcc" >&2
exit 1
