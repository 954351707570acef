// Package recompute works the metrics of the catalogue out a second time: from the facts in the Kafka log, one by one, in
// Go that shares nothing with the catalogue's SQL. `ringfence kpi verify` compares the two; a difference means that a row
// was lost, stands twice, is stale in a roll-up, or that one of the two readings of METRICS.md is wrong.
//
//   - log.go: the topics of facts into plain values, the newest version of each
//   - facts.go, oracle.go: the values, and how they are counted by row
//   - define.go: each metric's definition
//   - verify.go: asking both and comparing
//
// It keeps the calls of the range in memory, about 600 bytes each, and 32 bytes for every call of the log.
package recompute
