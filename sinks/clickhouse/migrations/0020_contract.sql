-- The names and types that the outside contract gives: what is kept masked or in parts can be read under the contract's name.
ALTER TABLE calls MODIFY COLUMN violations Array(String);
ALTER TABLE calls ADD COLUMN IF NOT EXISTS number String ALIAS number_masked,
  ADD COLUMN IF NOT EXISTS recording Tuple(uri String, size_bytes Nullable(Int64), duration_ms Nullable(Int64)) ALIAS
    CAST((recording_uri, recording_size_bytes, recording_duration_ms), 'Tuple(uri String, size_bytes Nullable(Int64), duration_ms Nullable(Int64))');
ALTER TABLE sampling_population MODIFY COLUMN drawn Array(String);
CREATE OR REPLACE VIEW calls_current AS SELECT *, number, recording FROM calls FINAL;
