#!/usr/bin/env bash
# Puts the embedded ClickHouse's library into the cache directory, once: npm verifies the package against the checksum
# in tools/chdb/package-lock.json; the library's own SHA-256 is kept beside it, and the binary checks it before use.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${RINGFENCE_CACHE_DIR:-}
if [ -z "$cache" ]; then
  case "$(uname -s)" in
    Darwin) cache="$HOME/Library/Caches/ringfence" ;;
    *) cache="${XDG_CACHE_HOME:-$HOME/.cache}/ringfence" ;;
  esac
fi
dest="$cache/chdb"
want=$(sha256sum "$here/chdb/package-lock.json" 2>/dev/null || shasum -a 256 "$here/chdb/package-lock.json")
want=${want%% *}
if [ -f "$dest/libchdb.so" ] && [ -f "$dest/libchdb.so.sha256" ] && [ "$(cat "$dest/lock" 2>/dev/null)" = "$want" ]; then
  exit 0
fi
if command -v clickhouse >/dev/null 2>&1; then
  echo "setup: a clickhouse binary is on PATH and will be used"
  exit 0
fi
command -v npm >/dev/null 2>&1 || { echo "setup: npm is needed to install the embedded ClickHouse: install Node.js, or put a clickhouse binary on PATH" >&2; exit 1; }
echo "setup: installing the embedded ClickHouse into $dest (about 200 MB, once)"
mkdir -p "$dest"
work=$(mktemp -d "$cache/install.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$here/chdb/package.json" "$here/chdb/package-lock.json" "$work/"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
lib=$(find "$work/node_modules/@chdb" -name 'libchdb.so' | head -n 1)
[ -n "$lib" ] || { echo "setup: there is no embedded ClickHouse for $(uname -sm): put a clickhouse binary on PATH" >&2; exit 1; }
rm -f "$dest/lock" "$dest/libchdb.so.sha256" "$dest/libchdb.so.verified"
mv "$lib" "$dest/libchdb.so"
sum=$(sha256sum "$dest/libchdb.so" 2>/dev/null || shasum -a 256 "$dest/libchdb.so")
printf '%s\n' "${sum%% *}" >"$dest/libchdb.so.sha256"
printf '%s\n' "$want" >"$dest/lock"
