-- What was changed about the running system, for the lines on charts: deploys and policies. The same change is one row
-- however many processes report it.
CREATE TABLE IF NOT EXISTS changes (
  kind LowCardinality(String), what String, at DateTime64(3,'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (kind, what, at) SETTINGS non_replicated_deduplication_window = 10000;
