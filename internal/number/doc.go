// Package number is the one place that knows telephone numbers: it completes and checks them (libphonenumber), turns
// them into keyed hashes for everything beyond ingest and the dialer, seals them for the dialer's leads, and masks
// them in whatever people read (promise 6).
package number
