-- Roll-ups by day of accounts, agents' time, permits and lists, as exact as those of calls: a day is written under a new
-- version and read once `rolled` names it at the count of touches that is still the count. The views count for rows that
-- come from elsewhere than the sink; the sink counts again after its rows are in.
CREATE TABLE IF NOT EXISTS accounts_1d (
  day Date, version UInt64, account UInt128, has_lead Bool, campaign_id LowCardinality(String), agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String),
  list_id LowCardinality(String), purpose LowCardinality(String), products Array(LowCardinality(String)), n UInt32, reached UInt8, completed UInt8, won UInt8, useless UInt8
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id, account);
-- Of each day the accounts by when what is said of them was last so before: the accounts of a range of days are those that
-- were last so before the range.
CREATE TABLE IF NOT EXISTS accounts_first (
  day Date, version UInt64, cut LowCardinality(String), what LowCardinality(String), campaign_id LowCardinality(String), since Date, other Date, n UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, cut, what, campaign_id);
CREATE TABLE IF NOT EXISTS states_1d (
  day Date, version UInt64, agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String), campaign_id LowCardinality(String), state LowCardinality(String), ms Int64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id, agent_id);
CREATE TABLE IF NOT EXISTS presence_1d (
  day Date, version UInt64, agent_id LowCardinality(String), begin_ms Int64, end_ms Int64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, agent_id);
CREATE TABLE IF NOT EXISTS permits_1d (
  day Date, version UInt64, campaign_id LowCardinality(String), partner_id LowCardinality(String), purpose LowCardinality(String), products Array(LowCardinality(String)), permitted UInt64, denied UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id);
-- Leads that a day's calls made useless, and what the lists hold as of a day's first moment.
CREATE TABLE IF NOT EXISTS useless_1d (day Date, version UInt64, lead_id String CODEC(ZSTD(1))) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, lead_id);
CREATE TABLE IF NOT EXISTS leads_stock (
  day Date, version UInt64, campaign_id LowCardinality(String), list_id LowCardinality(String), accounts UInt64, useless UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id, list_id);
DROP VIEW IF EXISTS states_touch;
DROP VIEW IF EXISTS permits_touch;
DROP VIEW IF EXISTS leads_touch;
CREATE MATERIALIZED VIEW states_touch TO touched AS SELECT 'states' AS facts, toUInt32(intDiv(toUnixTimestamp(start_at), 900)) AS slot, toUInt64(1) AS n FROM agent_intervals GROUP BY slot;
CREATE MATERIALIZED VIEW permits_touch TO touched AS SELECT 'permits' AS facts, toUInt32(intDiv(toUnixTimestamp(at), 900)) AS slot, toUInt64(1) AS n FROM permits GROUP BY slot;
CREATE MATERIALIZED VIEW leads_touch TO touched AS SELECT 'leads' AS facts, toUInt32(intDiv(toUnixTimestamp(at), 900)) AS slot, toUInt64(1) AS n FROM leads GROUP BY slot;
INSERT INTO touched SELECT 'states', toUInt32(intDiv(toUnixTimestamp(start_at), 900)) AS slot, 1 FROM agent_intervals GROUP BY slot;
INSERT INTO touched SELECT 'permits', toUInt32(intDiv(toUnixTimestamp(at), 900)) AS slot, 1 FROM permits GROUP BY slot;
INSERT INTO touched SELECT 'leads', toUInt32(intDiv(toUnixTimestamp(at), 900)) AS slot, 1 FROM leads GROUP BY slot;
