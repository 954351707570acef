// Package complaint watches over the centre (THR-04): complaints of each campaign, agent, team, partner and product against
// their own baseline, and with the same means connect rate, success, abandonment, recording coverage, dial volume, sources
// that fall silent, agents that are stuck, complaints whose answer is overdue (CPL-01 to CPL-04) and inbound peaks (THR-01,
// THR-02). It tells people (ringfence.alerts) and the dialer (ringfence.campaign-signals).
//
// # What a spike is
//
// Windows of four hours, a day and a week slide over the complaints. A window's count is compared with what its connected
// calls would bring at the subject's own rate of the four weeks before, spikes left out, weekdays and hours weighted once
// two weeks are known. The decision is Test.Decide, a pure function: it fires when chance alone would bring the window to
// such a count less often than a share of FalsePerYear, which is stated for everything watched together; see Crossings for
// why that is exact for a window that slides. docs/alerts.md has the measured figures.
//
// # How it is spread
//
// One processor, several kinds of keys. Calls (x|) are turned into differences of counts, collected for a few seconds a
// subject (s|) and sent to the subject (w|, its older hours b|) over ringfence.watch-events, because call facts are keyed
// by agent. Complaints (c|) are followed one by one, so that one which turns out to be about another campaign is taken away
// where it was counted. What fires meets at one key (g|), where subjects that fire over the same complaints become one
// incident: a campaign, its partner and its product are told once. The campaign's signal does not wait for that.
//
// Each record counts once (the runtime's promise). On the embedded broker a kill -9 within the microseconds of a commit can
// have a few seconds of calls counted twice; complaints are known by their ids and never are.
package complaint
