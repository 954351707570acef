package dialer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer/carrier"
	"github.com/ringfence/ringfence/dialer/pacing"
)

// Permits is where permission comes from.
type Permits interface {
	AskPermit(ctx context.Context, r client.PermitRequest) (*client.Decision, error)
	ReleasePermit(ctx context.Context, id string) error
}

// Config of an engine. Durations are milliseconds.
type Config struct {
	Carrier      carrier.Carrier
	Permits      Permits
	DialerID     string
	NewID        func(now int64) string // a fresh call id
	AbandonAfter int64                  // an answered call waits this long for an agent (FTC: 2 s)
	Parallel     int                    // permit requests under way at once
	PreparedMS   int64                  // the agent's preparation before a dial, reported with the call
}

// Campaign is what the engine needs to know of one.
type Campaign struct {
	ID        string
	Purpose   string
	Products  []string
	CallerID  string
	PartnerID string
	Mode      pacing.Mode
	Target    float64
	MaxLevel  float64
}

// Engine runs campaigns. It is used from one goroutine.
type Engine struct {
	cfg       Config
	campaigns []*campaignRun
	byID      map[string]*campaignRun
	attempts  map[string]*attempt
	order     []*attempt // answered and waiting for an agent, oldest first
	out       Batch
}

// Batch is what the engine has to report since the last Drain.
type Batch struct {
	Calls    []client.Call
	States   []client.AgentState
	Talks    []Talk
	Asked    int
	Denied   int
	Released int
}

// Talk is a finished conversation, for whoever simulates what customers do afterwards.
type Talk struct {
	CallID, CampaignID, AgentID, TeamID, PartnerID, CustomerID string
	EndedAt                                                    int64
	Disposition                                                string
}

type attempt struct {
	id        string
	run       *campaignRun
	lead      *Lead
	permitID  string
	startedAt int64
	answered  int64
	by        string
	bridged   int64
	agent     *Agent
	abandoned bool
}

type permitted struct {
	lead      *Lead
	permitID  string
	callID    string
	expiresAt int64
}

// New makes an engine.
func New(cfg Config) *Engine {
	if cfg.Parallel <= 0 {
		cfg.Parallel = 64
	}
	return &Engine{cfg: cfg, byID: map[string]*campaignRun{}, attempts: map[string]*attempt{}}
}

// Add takes a campaign with its agents and leads.
func (e *Engine) Add(c Campaign, agents []*Agent, leads []*Lead) {
	r := newRun(c, agents, leads)
	e.campaigns = append(e.campaigns, r)
	e.byID[c.ID] = r
}

// Update changes what is known of a campaign that was added; its agents, leads and permits stay.
func (e *Engine) Update(c Campaign) {
	if r := e.byID[c.ID]; r != nil {
		r.Campaign = c
	}
}

// AddAgent takes one more agent of a known campaign; one it has already stays as it is.
func (e *Engine) AddAgent(campaign string, a *Agent) {
	r := e.byID[campaign]
	if r == nil || slices.ContainsFunc(r.agents, func(x *Agent) bool { return x.ID == a.ID }) {
		return
	}
	r.agents = append(r.agents, a)
}

// AddLead takes one more lead of a known campaign.
func (e *Engine) AddLead(campaign string, l *Lead) error {
	r := e.byID[campaign]
	if r == nil {
		return fmt.Errorf("lead %s: campaign %s is not known", l.ID, campaign)
	}
	r.leads.add(l)
	return nil
}

// Refill asks permits so that every campaign has enough for the dials foreseen until now+horizon, and gives back
// those that would expire unused or belong to a stopped campaign. A failed request is tried again with the next refill.
func (e *Engine) Refill(ctx context.Context, now, horizon int64) error {
	type ask struct {
		run  *campaignRun
		lead *Lead
		req  client.PermitRequest
		dec  *client.Decision
		err  error
	}
	var asks []*ask
	var back []string
	for _, r := range e.campaigns {
		keep := r.hopper[:0]
		for _, p := range r.hopper {
			if r.verdict == pacing.Stop || p.expiresAt <= now+horizon {
				back = append(back, p.permitID)
				r.leads.later(p.lead, now)
				continue
			}
			keep = append(keep, p)
		}
		r.hopper = keep
		for n := r.foreseen(horizon) - len(r.hopper); n > 0; n-- {
			l := r.leads.next(now)
			if l == nil {
				break
			}
			id := e.cfg.NewID(now)
			asks = append(asks, &ask{run: r, lead: l, req: client.PermitRequest{
				RequestID: id, CustomerID: l.CustomerID, Number: l.ask(), Purpose: r.Purpose, Products: r.products(l), InboundNumber: l.InboundNumber,
				CampaignID: r.ID, PartnerID: r.PartnerID, DialerID: e.cfg.DialerID, CallerID: r.CallerID, At: client.Time(now),
			}})
		}
	}
	if err := e.release(ctx, back); err != nil {
		return err
	}
	// Requests for one customer go one after the other, so that the first in the plan has the last slot.
	var customers [][]*ask
	place := map[string]int{}
	for _, a := range asks {
		who := a.req.CustomerID + "/" + a.req.Number
		i, ok := place[who]
		if !ok {
			i = len(customers)
			place[who] = i
			customers = append(customers, nil)
		}
		customers[i] = append(customers[i], a)
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, e.cfg.Parallel)
	for _, own := range customers {
		gate <- struct{}{}
		wg.Go(func() {
			for _, a := range own {
				a.dec, a.err = e.cfg.Permits.AskPermit(ctx, a.req)
			}
			<-gate
		})
	}
	wg.Wait()
	var failed error
	for _, a := range asks {
		if a.err != nil {
			a.run.leads.later(a.lead, now)
			failed = a.err
			continue
		}
		e.out.Asked++
		if !a.dec.Permitted() {
			e.out.Denied++
			a.run.leads.denied(a.lead, now, a.dec)
			continue
		}
		a.run.hopper = append(a.run.hopper, permitted{a.lead, a.dec.PermitID, a.req.RequestID, a.dec.ExpiresAt.UnixMilli()})
	}
	return failed
}

// release gives permits back, several at once.
func (e *Engine) release(ctx context.Context, ids []string) error {
	var wg sync.WaitGroup
	gate := make(chan struct{}, e.cfg.Parallel)
	errs := make([]error, len(ids))
	for i, id := range ids {
		gate <- struct{}{}
		wg.Go(func() {
			errs[i] = e.cfg.Permits.ReleasePermit(ctx, id)
			<-gate
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
		e.out.Released++
	}
	return nil
}

// Step lets everything happen that is due up to now and starts new calls as the pacing allows.
func (e *Engine) Step(now int64) {
	for _, ev := range e.cfg.Carrier.Poll(now) {
		e.happen(ev)
	}
	e.abandon(now)
	for _, r := range e.campaigns {
		e.agentsDue(r, now)
		e.pace(r, now)
	}
}

// Next says when Step will have something to do, at the latest in limit.
func (e *Engine) Next(limit int64) int64 {
	if at, ok := e.cfg.Carrier.Next(); ok && at < limit {
		limit = at
	}
	for _, r := range e.campaigns {
		for _, a := range r.agents {
			if a.until > 0 && a.until < limit {
				limit = a.until
			}
		}
	}
	if len(e.order) > 0 {
		if t := e.order[0].answered + e.cfg.AbandonAfter; t < limit {
			limit = t
		}
	}
	return limit
}

// Drain hands over what is to be reported.
func (e *Engine) Drain() Batch {
	b := e.out
	e.out = Batch{}
	return b
}

// Open is how many calls are on the line or being wrapped up.
func (e *Engine) Open() int {
	n := len(e.attempts)
	for _, r := range e.campaigns {
		for _, a := range r.agents {
			if a.State == Talking || a.State == WrapUp {
				n++
			}
		}
	}
	return n
}

// Close gives all permits back that were not dialled. Calls on the line go on: drive Step until Open is 0.
func (e *Engine) Close(ctx context.Context) error {
	var ids []string
	for _, r := range e.campaigns {
		ids = append(ids, r.ID)
	}
	return e.CloseCampaigns(ctx, ids...)
}

// CloseCampaigns is Close for some of the campaigns; Open them again with OpenCampaign.
func (e *Engine) CloseCampaigns(ctx context.Context, ids ...string) error {
	var back []string
	for _, id := range ids {
		r := e.byID[id]
		if r == nil {
			continue
		}
		for _, p := range r.hopper {
			back = append(back, p.permitID)
			r.leads.later(p.lead, 0)
		}
		r.hopper, r.closed = nil, true
	}
	return e.release(ctx, back)
}

// OpenCampaign lets a campaign that was closed dial again.
func (e *Engine) OpenCampaign(id string) {
	if r := e.byID[id]; r != nil {
		r.closed = false
	}
}

// HangUp ends every call that is on the line, and every wrap-up, at now: the next Drain reports them all.
func (e *Engine) HangUp(now int64) {
	for id := range e.attempts {
		_ = e.cfg.Carrier.Hangup(now, id)
	}
	for _, ev := range e.cfg.Carrier.Poll(now) {
		e.happen(ev)
	}
	for _, r := range e.campaigns {
		for _, a := range r.agents {
			if a.until > now {
				a.until = now
			}
		}
		e.agentsDue(r, now)
	}
}
