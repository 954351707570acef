// Package ingest holds the ways in: decode (the contract's objects into events), httpapi (the HTTP API), and the
// readers of other systems' records, which all deliver through the same decoder.
package ingest
