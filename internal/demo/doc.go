// Package demo is the simulated centre: it works through days of its own past as fast as the machine allows, with
// every permit asked and every event sent through the outside contract, and then goes on live.
//
// Promises: the same seed gives the same centre. A run that was killed goes on at the day it was in and asks and sends
// that day again under the same ids, which the contract makes harmless; so the figures are the same as without a kill.
package demo
