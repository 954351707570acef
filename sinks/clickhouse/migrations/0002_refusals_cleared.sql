-- Who said that a customer's refusals no longer exist, and why (CAP-06).
CREATE TABLE IF NOT EXISTS refusals_cleared (customer_id String, customer_hash String, at DateTime64(3,'UTC'), products Array(LowCardinality(String)), by String, note String, event_id String)
  ENGINE = ReplacingMergeTree ORDER BY (customer_hash, at, event_id) SETTINGS non_replicated_deduplication_window = 10000;
