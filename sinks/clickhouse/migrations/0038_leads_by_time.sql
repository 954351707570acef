-- Leads in the order of time: those that came or changed since a moment are found without looking at the others. Each statement can
-- be run again wherever an earlier attempt was cut off.
DROP VIEW IF EXISTS leads_timed;
DROP TABLE IF EXISTS leads_by_time;
CREATE TABLE leads_by_time (
  lead_id String, at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), slot UInt32 MATERIALIZED intDiv(toUnixTimestamp(at), 900) CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree ORDER BY (slot, lead_id, at) SETTINGS non_replicated_deduplication_window = 10000;
CREATE MATERIALIZED VIEW leads_timed TO leads_by_time AS SELECT lead_id, at FROM leads;
INSERT INTO leads_by_time (lead_id, at) SELECT lead_id, at FROM leads;
