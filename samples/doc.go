// Package samples holds data captured from real switches, for the demo and the tests.
//
// asterisk-22-run was captured from an Asterisk 22.10.1 that dialled 54 numbers on loopback; plan.csv says what each
// number was meant to do. Its times are UTC.
package samples
