// Package app puts the roles together into a running process: it locks the data directory, starts the embedded Kafka
// and ClickHouse where no others are configured, makes topics and tables, runs the roles and serves HTTP. What was
// started is stopped in the opposite order; a role that cannot go on ends the process with its error, because half a
// process that looks whole is worse than none.
package app
