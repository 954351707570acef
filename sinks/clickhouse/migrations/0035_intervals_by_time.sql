-- Agents' intervals in the order of time, as calls and permits are: a day is read without the rest of its month. Each statement
-- can be run again wherever an earlier attempt was cut off.
ALTER TABLE agent_intervals ADD COLUMN IF NOT EXISTS slot UInt32 MATERIALIZED intDiv(toUnixTimestamp(start_at), 900) CODEC(Delta, ZSTD(1));
DROP VIEW IF EXISTS states_touch;
DROP TABLE IF EXISTS agent_intervals_0035;
CREATE TABLE agent_intervals_0035 AS agent_intervals ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(start_at) ORDER BY (slot, agent_id, start_at) SETTINGS non_replicated_deduplication_window = 10000;
INSERT INTO agent_intervals_0035 SELECT * FROM agent_intervals FINAL SETTINGS max_partitions_per_insert_block = 0;
DROP TABLE IF EXISTS agent_intervals_before_0035;
RENAME TABLE agent_intervals TO agent_intervals_before_0035, agent_intervals_0035 TO agent_intervals;
DROP TABLE agent_intervals_before_0035;
CREATE MATERIALIZED VIEW states_touch TO touched AS SELECT 'states' AS facts, slot, toUInt64(1) AS n FROM agent_intervals GROUP BY slot;
