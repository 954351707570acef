#!/usr/bin/env bash
# Runs `cmd/bench` against one Apache Kafka broker of its own on this machine: tools/bench-kafka.sh latency
# (`make bench-kafka`). Needs Java 17 and Maven. The broker's directory goes when it ends.
set -euo pipefail
libs=$("$(dirname "$0")/setup-kafka.sh")
dir=$(mktemp -d)
port=$((20000 + RANDOM % 10000)) # below the range from which connections get their own
trap 'kill -9 ${broker:-} 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cat > "$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
add.partitions.to.txn.retry.backoff.ms=1
message.max.bytes=33554432
PROPERTIES
java -cp "$libs/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c "$dir/server.properties" >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
java -Xmx1g -Xms1g -cp "$libs/*" kafka.Kafka "$dir/server.properties" >"$dir/broker.log" 2>&1 &
broker=$!
for _ in $(seq 600); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  kill -0 "$broker" 2>/dev/null || { tail -n 20 "$dir/broker.log" >&2; exit 1; }
  sleep 0.1
done
${BENCH:-go run ./cmd/bench} -brokers "127.0.0.1:$port" "$@"
