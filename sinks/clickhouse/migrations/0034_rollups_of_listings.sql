-- Roll-ups by day of what listings add up: calls by outcome and disposition and what they lack, and denials by rule and
-- customer.
CREATE TABLE IF NOT EXISTS results_1d (
  day Date, version UInt64, direction LowCardinality(String), campaign_id LowCardinality(String), agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String),
  products Array(LowCardinality(String)), outcome LowCardinality(String), disposition LowCardinality(String),
  n UInt64, no_campaign UInt64, no_customer UInt64, no_agent UInt64, no_disposition UInt64, no_permit UInt64, no_answerer UInt64, no_wrap_up UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id, agent_id);
CREATE TABLE IF NOT EXISTS denials_1d (
  day Date, version UInt64, campaign_id LowCardinality(String), partner_id LowCardinality(String), products Array(LowCardinality(String)), rule LowCardinality(String), customer UInt128, n UInt64, last DateTime64(3,'UTC') CODEC(T64, ZSTD(1))
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, rule, campaign_id, customer);
