-- Of each day the accounts, in all, by campaign and by team, by when what is said of them was last so before: accounts_first with
-- teams, under a name of its own, since days of the one before have none. And the customers whom a rule denied, by when it last did.
CREATE TABLE IF NOT EXISTS accounts_since (
  day Date, version UInt64, cut LowCardinality(String), what LowCardinality(String), campaign_id LowCardinality(String), team_id LowCardinality(String), since Date, other Date, n UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, cut, what, campaign_id, team_id);
CREATE TABLE IF NOT EXISTS denied_since (
  day Date, version UInt64, rule LowCardinality(String), since Date, customers UInt64, n UInt64, last DateTime64(3,'UTC') CODEC(T64, ZSTD(1))
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, rule);
DROP TABLE IF EXISTS accounts_first;
