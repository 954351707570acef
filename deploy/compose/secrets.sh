#!/usr/bin/env bash
# Makes the secrets the compose file needs, once; what is there is kept.
set -euo pipefail
umask 077
dir=$(cd "$(dirname "$0")" && pwd)/secrets
mkdir -p "$dir"
word() { [ -s "$dir/$1" ] || head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n' > "$dir/$1"; }
for s in clickhouse_password grafana_clickhouse_password number_key sampling_key dialer_token ringfence_metrics_token grafana_password; do word "$s"; done
printf 'CLICKHOUSE_PASSWORD=%s\nGRAFANA_CLICKHOUSE_PASSWORD=%s\n' "$(cat "$dir/clickhouse_password")" "$(cat "$dir/grafana_clickhouse_password")" > "$dir/clickhouse.env"
printf 'CLICKHOUSE_PASSWORD=%s\n' "$(cat "$dir/grafana_clickhouse_password")" > "$dir/grafana.env"
chmod 644 "$dir"/* # read by the containers' own users; the directory is ours alone
echo "secrets are in $dir"
