package dialer

import "github.com/ringfence/ringfence/dialer/pacing"

// Signal is what a campaign is told: to run, to throttle or to stop, and how it goes over all its dialers.
type Signal struct {
	Campaign string         // "*" = every campaign
	Verdict  pacing.Verdict // "" = no news
	Source   string         // whose verdict it is: of several the strictest holds, and each source takes back its own
	Reason   string
	Observed *Observed // nil = no news
}

// Inbound is the source of verdicts over an inbound peak: while it says stop, marketing stops and other calls slow down
// (THR-01, THR-02).
const Inbound = "inbound"

// Observed is a campaign over the signal's window.
type Observed struct {
	Dials, Live      int64
	AnswerRate       float64 // live answers per dial
	AbandonmentRate  float64 // abandoned per live answer
	HandlingMS, Ring float64
}

// Signal applies a signal; it is obeyed from the next step on.
func (e *Engine) Signal(s Signal) {
	for _, r := range e.campaigns {
		if s.Campaign != r.ID && s.Campaign != "*" {
			continue
		}
		if s.Verdict != "" {
			if r.verdicts == nil {
				r.verdicts = map[string]pacing.Verdict{}
			}
			r.verdicts[s.Source] = s.Verdict
			r.verdict = r.strictest()
		}
		if s.Observed != nil {
			r.observed = *s.Observed
		}
	}
}

// Verdict is the one a campaign goes by now.
func (e *Engine) Verdict(campaign string) pacing.Verdict {
	if r := e.byID[campaign]; r != nil {
		return r.verdict
	}
	return pacing.Stop
}

func (r *campaignRun) strictest() pacing.Verdict {
	out := pacing.Run
	for source, v := range r.verdicts {
		if source == Inbound && v == pacing.Stop && r.Purpose != "sales" && r.Purpose != "retention" {
			v = pacing.Throttle
		}
		if v == pacing.Stop || v == pacing.Throttle && out == pacing.Run {
			out = v
		}
	}
	return out
}
