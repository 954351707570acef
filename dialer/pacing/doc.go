// Package pacing decides how many calls a campaign may start now. The decision is a pure function of what is known
// at that moment; the engine asks it once every pacing interval.
//
// Promises: a stopped campaign starts nothing; a throttled one starts at most one call per two free agents; the
// predictive mode goes above one call per free agent only while the abandonment, estimated with its uncertainty,
// stays under the target, so a campaign about which too little is known is dialled progressively (THR-04, FTC TSR
// and Ofcom rows of REQUIREMENTS.md section P).
package pacing
