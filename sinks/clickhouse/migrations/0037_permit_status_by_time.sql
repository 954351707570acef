-- What became of a permit stands at the time of the permit, in its order: the permits of a day and what became of them are read
-- without the rest. A row that does not say when its permit was given (an older ringfence told it) stands in slot 0. Each
-- statement can be run again wherever an earlier attempt was cut off.
DROP VIEW IF EXISTS status_touch;
DROP TABLE IF EXISTS permit_status_0037;
CREATE TABLE permit_status_0037 (
  permit_id String, status Enum8('orphaned' = 1, 'released' = 2, 'used' = 3), at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), call_id String, campaign_id LowCardinality(String),
  permit_at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), slot UInt32 MATERIALIZED intDiv(toUnixTimestamp(permit_at), 900) CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(permit_at) ORDER BY (slot, permit_id, status) SETTINGS non_replicated_deduplication_window = 10000;
INSERT INTO permit_status_0037 (permit_id, status, at, call_id, campaign_id, permit_at) SELECT s.permit_id, s.status, s.at, s.call_id, s.campaign_id, p.at
  FROM permit_status AS s LEFT JOIN (SELECT permit_id, at FROM permits WHERE decision = 'permit') AS p ON p.permit_id = s.permit_id
  SETTINGS max_partitions_per_insert_block = 0, join_algorithm = 'full_sorting_merge', max_bytes_before_external_sort = 1000000000;
DROP TABLE IF EXISTS permit_status_before_0037;
RENAME TABLE permit_status TO permit_status_before_0037, permit_status_0037 TO permit_status;
DROP TABLE permit_status_before_0037;
CREATE MATERIALIZED VIEW status_touch TO touched AS SELECT 'permits' AS facts, slot, toUInt64(1) AS n FROM permit_status WHERE slot > 0 GROUP BY slot;
-- Permits of a day by what became of them.
CREATE TABLE IF NOT EXISTS fates_1d (
  day Date, version UInt64, campaign_id LowCardinality(String), partner_id LowCardinality(String), products Array(LowCardinality(String)), fate LowCardinality(String), n UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id);
-- Accounts in the order of what was said of them: whoever counts those that were won reads no others.
DROP TABLE IF EXISTS accounts_1d_0037;
CREATE TABLE accounts_1d_0037 AS accounts_1d ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, won, completed, reached, campaign_id, account);
INSERT INTO accounts_1d_0037 SELECT * FROM accounts_1d SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS accounts_1d_before_0037;
RENAME TABLE accounts_1d TO accounts_1d_before_0037, accounts_1d_0037 TO accounts_1d;
DROP TABLE accounts_1d_before_0037;
