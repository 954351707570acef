package dialer

import (
	"fmt"
	"math"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer/carrier"
	"github.com/ringfence/ringfence/dialer/pacing"
)

// campaignRun is one campaign at work.
type campaignRun struct {
	Campaign
	agents   []*Agent
	leads    leadQueue
	hopper   []permitted
	verdicts map[string]pacing.Verdict // by source
	verdict  pacing.Verdict            // the strictest of them
	closed   bool

	dialing  int
	dials    tally
	live     tally
	lost     tally
	handled  int64
	handleMS int64
	ringMS   int64
	rung     int64
	observed Observed // by the campaign's signal
}

// tally counts with a memory that fades: every window's end halves it, so rates follow the campaign's last hours.
type tally struct{ n float64 }

func (t *tally) add() { t.n++ }

const fadeAt = 2000

func newRun(c Campaign, agents []*Agent, leads []*Lead) *campaignRun {
	r := &campaignRun{Campaign: c, agents: agents, verdict: pacing.Run}
	for _, l := range leads {
		r.leads.add(l)
	}
	return r
}

// foreseen estimates the dials of the coming horizon, a little generously: what is not dialled is given back.
func (r *campaignRun) foreseen(horizon int64) int {
	if r.closed || r.verdict == pacing.Stop {
		return 0
	}
	on, free := 0, 0
	for _, a := range r.agents {
		switch a.State {
		case Available:
			free++
			on++
		case Talking, WrapUp:
			on++
		}
	}
	handle, rate := r.handling(), r.answerRate()
	coming := float64(on) * float64(horizon) / handle
	return int(math.Ceil((float64(free) + coming) * 1.1 / math.Max(rate, 0.1)))
}

// products a lead is called about.
func (r *campaignRun) products(l *Lead) []string {
	if len(l.Products) > 0 {
		return l.Products
	}
	return r.Products
}

func (r *campaignRun) handling() float64 {
	if r.handled == 0 {
		if r.observed.HandlingMS > 0 {
			return r.observed.HandlingMS
		}
		return 240_000
	}
	return float64(r.handleMS) / float64(r.handled)
}

func (r *campaignRun) answerRate() float64 {
	if r.dials.n < 30 {
		if r.observed.Dials >= 30 {
			return math.Max(0.05, r.observed.AnswerRate)
		}
		return 0.4
	}
	return math.Max(0.05, r.live.n/r.dials.n)
}

// pace starts as many calls as the pacing decides, from the hopper of permitted leads.
func (e *Engine) pace(r *campaignRun, now int64) {
	if r.closed {
		return
	}
	in := pacing.Input{Mode: r.Mode, Verdict: r.verdict, Dialing: r.dialing, AnswerRate: r.answerRate(),
		Live: int64(r.live.n), Abandoned: int64(r.lost.n), Target: r.Target, MaxLevel: r.MaxLevel, HandlingMS: r.handling()}
	// Of what this dialer saw and what the signal says of all of them, the worse abandonment counts.
	if o := r.observed; o.Live > 0 && o.AbandonmentRate*r.live.n > r.lost.n {
		in.Live, in.Abandoned = o.Live, int64(math.Ceil(o.AbandonmentRate*float64(o.Live)))
	}
	in.RingMS = r.observed.Ring
	if r.rung > 0 {
		in.RingMS = float64(r.ringMS) / float64(r.rung)
	}
	for _, a := range r.agents {
		switch a.State {
		case Available:
			in.Available++
		case Talking, WrapUp:
			in.Busy++
		}
	}
	for _, w := range e.order {
		if w.run == r {
			in.Waiting++
		}
	}
	for n := pacing.Decide(in).Dials; n > 0 && len(r.hopper) > 0; {
		p := r.hopper[0]
		r.hopper = r.hopper[1:]
		if p.expiresAt <= now {
			// Never dialled on an expired permit; the next refill gives it back.
			r.hopper = append(r.hopper, p)
			return
		}
		e.dial(r, p, now)
		n--
	}
}

func (e *Engine) dial(r *campaignRun, p permitted, now int64) {
	a := &attempt{id: p.callID, run: r, lead: p.lead, permitID: p.permitID, startedAt: now}
	err := e.cfg.Carrier.Dial(now, carrier.Attempt{ID: a.id, CampaignID: r.ID, LeadID: p.lead.ID, CustomerID: p.lead.CustomerID, Number: p.lead.Number, CallerID: r.CallerID})
	if err != nil {
		p.expiresAt = 0 // the next refill gives it back
		r.hopper = append(r.hopper, p)
		return
	}
	e.attempts[a.id] = a
	r.dialing++
	r.dials.add()
	if r.dials.n >= fadeAt {
		r.dials.n /= 2
		r.live.n /= 2
		r.lost.n /= 2
	}
}

func (e *Engine) happen(ev carrier.Event) {
	a := e.attempts[ev.AttemptID]
	if a == nil {
		return
	}
	r := a.run
	switch ev.Kind {
	case carrier.Answered:
		a.answered, a.by = ev.At, ev.By
		r.dialing--
		r.ringMS += ev.At - a.startedAt
		r.rung++
		if ev.By != "machine" && ev.By != "fax" {
			r.live.add()
			e.connect(a, ev.At)
			return
		}
		_ = e.cfg.Carrier.Hangup(ev.At+2000, a.id) // answering machines are left after they are recognised
	case carrier.Ended:
		delete(e.attempts, a.id)
		if a.answered == 0 {
			r.dialing--
		}
		e.ended(a, ev)
	}
}

// connect gives an answered call to the agent who has waited longest, or lets it wait.
func (e *Engine) connect(a *attempt, now int64) {
	var best *Agent
	for _, g := range a.run.agents {
		if g.State == Available && (best == nil || g.since < best.since) {
			best = g
		}
	}
	if best == nil {
		e.order = append(e.order, a)
		return
	}
	if err := e.cfg.Carrier.Bridge(now, a.id, best.ID); err != nil {
		e.order = append(e.order, a)
		return
	}
	a.bridged, a.agent = now, best
	e.turn(a.run, best, Talking, now, a.id)
}

// abandon serves the waiting calls and hangs up those that have waited too long.
func (e *Engine) abandon(now int64) {
	waiting := e.order
	e.order = nil
	for _, a := range waiting {
		if e.attempts[a.id] == nil {
			continue
		}
		if now-a.answered >= e.cfg.AbandonAfter {
			a.abandoned = true
			a.run.lost.add()
			_ = e.cfg.Carrier.Hangup(now, a.id)
			continue
		}
		e.connect(a, now)
	}
}

// ended reports the call, or leaves it to the end of the agent's wrap-up.
func (e *Engine) ended(a *attempt, ev carrier.Event) {
	r := a.run
	c := client.Call{
		CallID: a.id, Direction: "outbound", CustomerID: a.lead.CustomerID, Number: a.lead.Number, CallerID: r.CallerID,
		PermitID: a.permitID, Purpose: r.Purpose, CampaignID: r.ID, Products: r.products(a.lead), ListID: a.lead.ListID, LeadID: a.lead.ID,
		PartnerID: r.PartnerID, DialerID: e.cfg.DialerID, StartedAt: client.Time(a.startedAt), AnsweredAt: client.Time(a.answered),
		BridgedAt: client.Time(a.bridged), EndedAt: client.Time(ev.At), Outcome: ev.Outcome, AnsweredBy: a.by,
		HangupBy: ev.HangupBy, HangupCause: ev.Cause,
	}
	if a.answered > 0 {
		c.Outcome = "answered"
		heard := ev.At - a.answered // from the answer on, whether an agent came or not (RET-01)
		c.Recording = &client.Recording{URI: fmt.Sprintf("recordings/%s/%s.wav", c.StartedAt[:10], c.CallID), SizeBytes: 44 + heard*16, DurationMS: heard}
	}
	if a.abandoned {
		c.Outcome = "abandoned"
	}
	if a.agent == nil {
		e.out.Calls = append(e.out.Calls, c)
		r.leads.called(a.lead, ev.At, c.Outcome, a.by, "")
		return
	}
	g := a.agent
	c.AgentID, c.TeamID, c.PreparedMS = g.ID, g.TeamID, e.cfg.PreparedMS
	if g.PartnerID != "" {
		c.PartnerID = g.PartnerID
	}
	talk := ev.At - a.bridged
	wrap := int64(10_000)
	if res := ev.Result; res != nil {
		c.Disposition, c.Useless = res.Disposition, res.Useless
		c.Reached, c.Completed = new(res.Reached), new(res.Completed)
		if res.OptOut {
			c.OptOut = new(true)
		}
		wrap = res.WrapUpMS
	}
	r.handled++
	r.handleMS += talk + wrap
	g.until, g.call, g.lead = ev.At+wrap, &c, a.lead
	e.turn(r, g, WrapUp, ev.At, c.CallID)
	e.out.Talks = append(e.out.Talks, Talk{CallID: c.CallID, CampaignID: r.ID, AgentID: g.ID, TeamID: g.TeamID, PartnerID: c.PartnerID,
		CustomerID: a.lead.CustomerID, EndedAt: ev.At, Disposition: c.Disposition})
}
