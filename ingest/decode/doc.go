// Package decode turns the contract's JSON objects (CONTRACT.md sections 2 and 3) into events. It is strict: an
// unknown, missing, doubled or mistyped field is refused with a pointer to it, because a misspelt field must not
// silently change what a call counts as; everything wrong with an object is said at once. Numbers are normalised and
// leave this package only as keyed hashes, or sealed for the dialer.
package decode
