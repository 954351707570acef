// Package httpapi is the outside contract over HTTP (CONTRACT.md sections 1 to 3): events in, permits asked and given
// back, errors as RFC 9457 problems.
//
// Promises: an event answered 2xx is in Kafka, acknowledged by all replicas. What was answered 2xx before a permit is
// asked counts in that permit's decision, through whichever process either went: events and permits of one customer
// share a partition, and an event named by number alone is checked against the end of the directory before its answer.
// With Kafka away nothing is accepted and the answer is 503.
package httpapi
