// Package live is the dialer role of a running process: it reads campaigns, leads, agents and signals from their topics
// and drives the engine of package dialer by the clock.
//
// A campaign is dialled by one process at a time, the one that holds the campaign's partition in the consumer group
// "ringfence-dialer"; start more processes and the campaigns are divided among them. Every process reads all leads and
// call facts from the beginning when it starts and keeps the leads in memory (about 300 bytes each), so that whoever
// takes a campaign over knows which leads were called, and how it went.
//
// Promises: a campaign dials only while its status is running, it has a script (CMP-01, CMP-05), its hours are open and
// no signal stops it (THR-02, THR-04); each of these takes effect within one pacing interval (Options.Interval), and the
// permits that were asked for are given back. No dial without a permit (package dialer). When a process is killed its
// permits stay taken and are reported as orphans; the calls it had on the line are the carrier's to report. Told to end it
// gives its permits back, lets calls end for Options.Drain, hangs up the rest and reports them.
// A campaign that moves to another process while a call is on the line: until that call is reported its lead may be called
// by the new one, too; the contact caps hold all the same, because both had a permit.
// Kafka or the API away: nothing is dialled, what is to be reported is kept and sent when they are back.
package live
