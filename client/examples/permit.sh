#!/usr/bin/env bash
# Asks whether a customer may be called, and gives the permit back if he is not dialled after all.
#
#   RINGFENCE_URL=http://127.0.0.1:8080 client/examples/permit.sh C000017 sales
#
# Exit code: 0 permitted, 1 denied, 2 no answer (do not dial). Needs curl.
set -euo pipefail
url="${RINGFENCE_URL:-http://127.0.0.1:8080}"
customer="${1:?whom to call: a customer_id}"
purpose="${2:-sales}"
auth=()
[ -z "${RINGFENCE_TOKEN:-}" ] || auth=(-H "Authorization: Bearer $RINGFENCE_TOKEN")
# The same request_id gets the same answer, so a retry never takes a second slot.
request="shell-$$-$(date +%s%N)"

ask() {
  curl -sS --max-time 10 -w '\n%{http_code}\n' ${auth[@]+"${auth[@]}"} -H 'Content-Type: application/json' -X POST "$url/v1/permits" \
    -d "{\"request_id\":\"$request\",\"customer_id\":\"$customer\",\"purpose\":\"$purpose\",\"caller_id\":\"${CALLER_ID:-10010}\"}"
}

for wait in 1 1 2 4 0; do # 429 and 503: nothing was reserved, ask again
  answer=$(ask) || { echo "no answer from $url" >&2; answer=$'\n503'; }
  status=$(tail -n 1 <<<"$answer")
  case "$status" in
    200) break ;;
    429|503) [ "$wait" = 0 ] || sleep "$wait" ;;
    *) echo "$answer" >&2; exit 2 ;;
  esac
done
[ "$status" = 200 ] || { echo "no decision: do not dial" >&2; exit 2; }
body=$(head -n 1 <<<"$answer")
echo "$body"
permit=$(sed -n 's/.*"permit_id":"\([^"]*\)".*/\1/p' <<<"$body")
[ -n "$permit" ] || exit 1
if [ "${RELEASE:-}" = 1 ]; then
  curl -sS -o /dev/null -w 'given back: %{http_code}\n' ${auth[@]+"${auth[@]}"} -X DELETE "$url/v1/permits/$permit"
fi
