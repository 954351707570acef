// Package event is the vocabulary of ringfence: every protobuf message that travels through Kafka, the names of
// the topics and the keys. No other package defines a message. Times are Unix milliseconds; enumerations are the
// words of the outside contract, as strings. The generated code is made by `make generate` and committed.
package event
