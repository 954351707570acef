// Package clickhouse writes the facts into ClickHouse, each exactly once, and keeps the schema.
//
// Per partition a range [a,b) is chosen; offset a is committed with the metadata "pending b"; the rows are inserted
// synchronously; b is committed. A crash between any two steps leaves either nothing or "pending b", and whoever has the
// partition next inserts exactly [a,b) again. What may be in already goes in as new rows of the same keys: every table is
// a ReplacingMergeTree whose version is the fact's revision, so that a row is there once however often it was written
// (read with FINAL or through the *_current views). ClickHouse's own deduplication by token is not relied on: see insert.
//
// The ranges of all partitions that are due go in together, a table at a time, and the next batch is fetched, decoded and
// laid out in columns while one is inserted: pipeline.go. What is promised next is committed with the end of what is done.
// A batch grows with the lag up to MaxBatch records; a topic that was quiet is written at once.
//
// A row that ClickHouse refuses for what is in it goes to the dead letter, its neighbours go in; a table that takes no row
// at all any more was altered, and is waited for. ClickHouse or Kafka away, a full disk, too many parts mean waiting, ever
// longer up to 5 s: nothing is dropped, nothing is counted twice.
package clickhouse
