#!/usr/bin/env bash
# Puts Apache Kafka's jars into the cache, for `make test-kafka`. Needs Java 17 and Maven; prints the folder.
set -euo pipefail
version=4.1.0
cache="${RINGFENCE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ringfence}/kafka-$version"
for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "make test-kafka needs $tool (Debian: apt install openjdk-17-jre-headless maven)" >&2; exit 1; }
done
if [ ! -f "$cache/.complete" ]; then
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  cat > "$tmp/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>ringfence</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  mkdir -p "$cache"
  (cd "$tmp" && mvn -q -B dependency:copy-dependencies -DoutputDirectory="$cache") >&2
  touch "$cache/.complete"
fi
echo "$cache"
