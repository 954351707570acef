// Package client is the Go client of ringfence's HTTP contract: send events, ask permits, give them back. It is what
// the built-in dialer itself uses, so whatever it can do any other dialer can do too.
package client
