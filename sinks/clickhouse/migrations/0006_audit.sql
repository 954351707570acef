-- Who did what: appended, never changed. A record written twice by a sink that was interrupted is one row. detail is a JSON object of texts.
CREATE TABLE IF NOT EXISTS audit_log (
  audit_id String, at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), actor LowCardinality(String), roles Array(LowCardinality(String)), partner_id LowCardinality(String),
  action LowCardinality(String), subject_kind LowCardinality(String), subject String, outcome LowCardinality(String), reason String, address String,
  source LowCardinality(String), detail String
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY (at, audit_id) SETTINGS non_replicated_deduplication_window = 10000;
