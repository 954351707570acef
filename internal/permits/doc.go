// Package permits is the way of a permit request through Kafka and back: it produces the request under its customer's
// key, waits for the decision on this process's own partition of the answers, and returns it once it is committed.
package permits
