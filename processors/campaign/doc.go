// Package campaign tells the dialer how a campaign goes: answer rate, handling time, agents free and busy, abandonment,
// every few seconds (campaign-signals, compacted by campaign).
//
// Calls and states are keyed by agent, signals by campaign, so there are two stages in one processor: each input
// partition keeps its own sums per campaign and ten seconds, and sends them, as they are now and not as differences, to
// the campaign's partition (campaign-partials); there they are merged. Sending a sum twice changes nothing.
package campaign
