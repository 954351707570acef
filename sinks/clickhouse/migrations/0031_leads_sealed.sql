-- The numbers of a lead as ingest sealed them, in base64: whoever has the number key can open them, for a reveal that is on record.
ALTER TABLE leads ADD COLUMN IF NOT EXISTS numbers_sealed Array(String) CODEC(ZSTD(1));
