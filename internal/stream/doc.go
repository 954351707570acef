// Package stream is the exactly-once runtime every processor runs on.
package stream
