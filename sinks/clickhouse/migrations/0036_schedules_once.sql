-- A schedule that is sent again must not put itself over a later one: of one event the first arrival stays, and of the events of
-- one beginning the one that arrived last holds. revision is the engine's and inverted, so that it keeps the first.
ALTER TABLE schedules ADD COLUMN IF NOT EXISTS event_id String, ADD COLUMN IF NOT EXISTS arrival UInt64 DEFAULT revision, MODIFY ORDER BY (agent_id, start_at, event_id);
