package demo

import (
	"sort"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer"
)

// shift is what the agents do over a day beside calling.
type shift struct {
	world *world
	m     time.Time
	moves []move
}

type move struct {
	at       int64
	campaign string
	agent    string
	state    dialer.State
}

func newShift(w *world, m time.Time) *shift { return &shift{world: w, m: m} }

func (s *shift) add(campaign string, agents []*dialer.Agent) {
	for i, a := range agents {
		r := s.world.rng("shift", a.ID, s.m.Format(time.DateOnly))
		at := func(d time.Duration) int64 { return s.m.Add(d).UnixMilli() + r.Int64N(240_000) }
		meal := 12 * time.Hour
		if i%2 == 1 {
			meal += 45 * time.Minute
		}
		s.moves = append(s.moves, []move{
			{at(dayStart), campaign, a.ID, dialer.Available},
			{at(meal), campaign, a.ID, dialer.Meal},
			{at(meal + 40*time.Minute), campaign, a.ID, dialer.Available},
			{at(15*time.Hour + 30*time.Minute), campaign, a.ID, dialer.Break},
			{at(15*time.Hour + 45*time.Minute), campaign, a.ID, dialer.Available},
			{s.m.Add(dayEnd).UnixMilli(), campaign, a.ID, dialer.LoggedOut},
		}...)
	}
	sort.SliceStable(s.moves, func(i, j int) bool { return s.moves[i].at < s.moves[j].at })
}

func (s *shift) upTo(e *dialer.Engine, now int64) {
	for len(s.moves) > 0 && s.moves[0].at <= now {
		m := s.moves[0]
		s.moves = s.moves[1:]
		e.SetState(m.campaign, m.agent, m.state, max(m.at, 0))
	}
}

func (s *shift) next(limit int64) int64 {
	if len(s.moves) > 0 && s.moves[0].at < limit {
		return s.moves[0].at
	}
	return limit
}

// aftermath is what customers do after a conversation: answer a survey, complain.
type aftermath struct {
	world   *world
	spike   bool
	from    int64
	until   int64 // the day's last answer
	pending []pending
}

type pending struct {
	at   int64
	kind string
	body map[string]any
}

// Assumed: complaints per conversation, usually and while the spike lasts.
const (
	complaintRate = 0.002
	spikeRate     = 0.06
)

func newAftermath(w *world, spike bool, m time.Time) *aftermath {
	return &aftermath{world: w, spike: spike, from: m.Add(14 * time.Hour).UnixMilli(), until: m.Add(23 * time.Hour).UnixMilli()}
}

func (a *aftermath) talks(talks []dialer.Talk) {
	for _, t := range talks {
		r := a.world.rng("after", t.CallID)
		if r.Float64() < 0.2 {
			a.pending = append(a.pending, pending{t.EndedAt + 60_000 + r.Int64N(600_000), "survey", map[string]any{"call_id": t.CallID,
				"score": []string{"very_satisfied", "satisfied", "satisfied", "neutral", "dissatisfied"}[r.IntN(5)]}})
		}
		rate := complaintRate
		if a.spike && t.CampaignID == spikeCampaign && t.EndedAt >= a.from {
			rate = spikeRate
		}
		if r.Float64() >= rate {
			continue
		}
		at := t.EndedAt + 120_000 + r.Int64N(2_400_000)
		body := func(event string) map[string]any {
			return map[string]any{"complaint_id": "cp-" + t.CallID, "event": event, "customer_id": t.CustomerID, "call_id": t.CallID}
		}
		opened := body("opened")
		opened["channel"], opened["cause"] = "hotline", []string{"no_consent", "service", "service", "system"}[r.IntN(4)]
		opened["category"] = []string{"wrong_explanation", "handling_error", "attitude", "time_limit", "other"}[r.IntN(5)]
		a.pending = append(a.pending, pending{at, "complaint", opened})
		if r.Float64() < 0.12 {
			graded := body("graded")
			graded["severity"] = "serious"
			a.pending = append(a.pending, pending{at + 300_000, "complaint", graded})
		}
		if r.Float64() < 0.5 {
			verdict := "upheld"
			if r.IntN(3) == 0 {
				verdict = "rejected"
			}
			a.pending = append(a.pending, pending{at + 1_800_000 + r.Int64N(7_200_000), "complaint", body(verdict)})
		}
		// Nobody waits over night: every complaint is answered the same day (CPL-01 to CPL-04).
		replied := min(at+600_000+r.Int64N(5_400_000), max(a.until, at+60_000))
		a.pending = append(a.pending, pending{replied, "complaint", body("replied")}, pending{replied + 1, "complaint", body("resolved")})
	}
}

// due gives what has happened up to now, oldest first.
func (a *aftermath) due(now int64) (complaints, surveys []any) {
	sort.SliceStable(a.pending, func(i, j int) bool { return a.pending[i].at < a.pending[j].at })
	n := 0
	for _, p := range a.pending {
		if p.at > now {
			break
		}
		n++
		p.body["at"] = client.Time(p.at)
		if p.kind == "survey" {
			surveys = append(surveys, p.body)
		} else {
			complaints = append(complaints, p.body)
		}
	}
	a.pending = a.pending[n:]
	return complaints, surveys
}
