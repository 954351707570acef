// Package dialer works through the leads of campaigns: by priority it asks a permit for each dial, dials through a
// carrier, gives the answered calls to free agents and reports every call. It holds no clock: whoever drives it says
// what time it is, so the same engine runs a simulated week in seconds and a live centre in real time.
//
// Promises: no dial without a permit that is out and not expired (CAP-01 ff.); a permit that is not dialled is given
// back; a stop signal takes effect at the next pacing decision, when permits in the hopper are given back too
// (THR-02, THR-04); an answered call without an agent within AbandonAfter is hung up and reported as abandoned.
package dialer
