-- A day has one row: the key, once it is revealed, takes the place of the promise. Each statement can be run again wherever
-- an earlier attempt was cut off.
DROP TABLE IF EXISTS sampling_keys_0021;
CREATE TABLE sampling_keys_0021 (
  day Date, key_sha256 String, published_at DateTime64(3,'UTC'), key String, revealed_at Nullable(DateTime64(3,'UTC')), revealed UInt8 MATERIALIZED key != ''
) ENGINE = ReplacingMergeTree(revealed) ORDER BY day SETTINGS non_replicated_deduplication_window = 10000;
INSERT INTO sampling_keys_0021 (day, key_sha256, published_at, key, revealed_at) SELECT day, key_sha256, published_at, key, revealed_at FROM sampling_keys;
DROP TABLE IF EXISTS sampling_keys_before_0021;
RENAME TABLE sampling_keys TO sampling_keys_before_0021, sampling_keys_0021 TO sampling_keys;
DROP TABLE sampling_keys_before_0021;
