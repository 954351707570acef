-- An alert says what it is about, how sure it is, what was done, and who took it up.
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS dimension LowCardinality(String), ADD COLUMN IF NOT EXISTS subject String, ADD COLUMN IF NOT EXISTS severity LowCardinality(String),
  ADD COLUMN IF NOT EXISTS seq Int64, ADD COLUMN IF NOT EXISTS decided_at DateTime64(3,'UTC'), ADD COLUMN IF NOT EXISTS window_ms Int64, ADD COLUMN IF NOT EXISTS rate Float64,
  ADD COLUMN IF NOT EXISTS rate_before Float64, ADD COLUMN IF NOT EXISTS false_per_year Float64, ADD COLUMN IF NOT EXISTS also Array(String), ADD COLUMN IF NOT EXISTS done String,
  ADD COLUMN IF NOT EXISTS by LowCardinality(String), ADD COLUMN IF NOT EXISTS note String, ADD COLUMN IF NOT EXISTS muted Bool, ADD COLUMN IF NOT EXISTS escalate_to LowCardinality(String);
