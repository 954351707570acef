// Package clickhouse writes the facts into ClickHouse, each exactly once, and keeps the schema.
//
// Per partition a range [a,b) is chosen; offset a is committed with the metadata "pending b"; the rows are inserted
// synchronously under the token topic/partition/a-b/table; b is committed. A crash between any two steps leaves
// either nothing or "pending b", and a restart inserts exactly [a,b) again under the same token, which ClickHouse drops
// if it had landed. ClickHouse away means waiting: nothing is dropped, nothing is counted twice.
package clickhouse
