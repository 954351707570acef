// Package embedded is Kafka and ClickHouse on a laptop: franz-go's own broker in this process and the real ClickHouse
// engine in a child process of this same binary (libchdb, loaded without cgo). Both speak their real protocols on
// loopback ports and keep everything in one data directory, so a second start goes on where the first stopped.
//
// What survives what: acknowledged records and inserted rows survive kill -9 of any of the processes. They survive a
// power cut only as far as the operating system had written them; Sync makes the broker fsync each write, at 0.6 times
// the rate and 40 times the latency. The ClickHouse child dies with its parent, however that dies.
package embedded
