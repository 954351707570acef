package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/dialer/carrier"
	"github.com/ringfence/ringfence/dialer/pacing"
	"github.com/ringfence/ringfence/event"
)

// Group divides the campaigns among the dialers.
const Group = "ringfence-dialer"

// API is what the dialer needs of ringfence's own.
type API interface {
	dialer.Permits
	Send(ctx context.Context, kind string, objects ...any) (*client.BatchResult, error)
}

// Options of a dialer.
type Options struct {
	Base       []kgo.Opt // how to reach the brokers
	API        API
	Carrier    carrier.Carrier
	OpenNumber func(sealed []byte) (string, error)
	ID         string         // its dialer_id on permits and calls
	Zone       *time.Location // in which campaigns' hours are
	Logger     *slog.Logger
	// Interval is the pacing interval, default 250 ms: how often the engine is driven. Refill is how often permits are
	// asked for, default 5 s.
	Interval, Refill time.Duration
	// Drain is how long calls may go on after Run was told to end, default 5 s; then they are hung up.
	Drain time.Duration
	Now   func() time.Time
}

// Dialer is the role at work.
type Dialer struct {
	opt     Options
	engine  *dialer.Engine
	book    *book
	signals map[string]dialer.Signal // the last verdict under each key: campaign/source
	stopped bool                     // by a signal just now: permits are given back with this round

	known  map[string]bool   // campaigns the engine has
	held   map[string]string // campaigns that do not dial, and why
	unsent dialer.Batch

	at   map[place]int64   // how far the reader is
	past []*event.CallFact // while replaying

	mu     sync.Mutex
	owned  map[int32]*claim // partitions of the campaigns' topic
	status string
	ready  bool
}

// New makes a dialer; Run does the work.
func New(o Options) *Dialer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Interval <= 0 {
		o.Interval = 250 * time.Millisecond
	}
	if o.Refill <= 0 {
		o.Refill = 5 * time.Second
	}
	if o.Drain <= 0 {
		o.Drain = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	d := &Dialer{opt: o, book: newBook(o.OpenNumber), signals: map[string]dialer.Signal{}, known: map[string]bool{}, held: map[string]string{}, owned: map[int32]*claim{}, at: map[place]int64{},
		status: "reading leads and calls"}
	began, n := strconv.FormatInt(time.Now().UnixNano(), 36), 0
	d.engine = dialer.New(dialer.Config{Carrier: o.Carrier, Permits: o.API, DialerID: o.ID, AbandonAfter: 2000, Parallel: 64,
		NewID: func(int64) string { n++; return fmt.Sprintf("%s-%s-%06d", o.ID, began, n) }})
	return d
}

// Status is for /readyz.
func (d *Dialer) Status() (bool, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ready, d.status
}

func (d *Dialer) say(ready bool, status string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready, d.status = ready, status
}

// Run works until ctx ends; then it gives its permits back and reports what was not reported.
func (d *Dialer) Run(ctx context.Context) error {
	topics := []string{event.TopicCampaigns, event.TopicLeads, event.TopicCallFacts, event.TopicAgentStates, event.TopicCampaignSignals}
	reader, err := kgo.NewClient(append(slices.Clone(d.opt.Base), kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("read the dialer's topics: %w", err)
	}
	defer reader.Close()
	if err := d.replay(ctx, reader, topics); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	member, err := d.join()
	if err != nil {
		return err
	}
	defer member.Close()
	d.say(true, "")
	return d.work(ctx, reader, member)
}

// replay reads what the topics hold now, patiently.
func (d *Dialer) replay(ctx context.Context, reader *kgo.Client, topics []string) error {
	var left map[string]map[int32]int64
	for left == nil {
		ends, err := kadm.NewClient(reader).ListCommittedOffsets(ctx, topics...)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			d.say(false, "Kafka does not answer: "+err.Error())
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
			continue
		}
		left = map[string]map[int32]int64{}
		ends.Each(func(o kadm.ListedOffset) {
			if o.Offset > 0 {
				if left[o.Topic] == nil {
					left[o.Topic] = map[int32]int64{}
				}
				left[o.Topic][o.Partition] = o.Offset
			}
		})
	}
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachRecord(func(r *kgo.Record) {
			d.take(r, true)
			if ps := left[r.Topic]; ps != nil && r.Offset+1 >= ps[r.Partition] { // the marks that end transactions are among the records
				delete(ps, r.Partition)
				if len(ps) == 0 {
					delete(left, r.Topic)
				}
			}
		})
	}
	for _, f := range d.past { // after all leads: topics are read in no order between them
		if f.Call != nil {
			d.book.call(f)
		}
	}
	d.past = nil
	return nil
}

func (d *Dialer) work(ctx context.Context, reader, member *kgo.Client) error {
	records := make(chan []*kgo.Record)
	var wg sync.WaitGroup
	defer wg.Wait()
	poll, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() {
		for poll.Err() == nil {
			if rs := reader.PollFetches(poll).Records(); len(rs) > 0 {
				select {
				case records <- rs:
				case <-poll.Done():
				}
			}
		}
	})
	wg.Go(func() { // the group's records are not used: being a member is
		for poll.Err() == nil {
			member.PollFetches(poll)
		}
	})
	tick := time.NewTicker(d.opt.Interval)
	defer tick.Stop()
	var refilled time.Time
	for {
		select {
		case <-ctx.Done():
			return d.end(ctx)
		case rs := <-records:
			for _, r := range rs {
				d.take(r, false)
			}
		case <-tick.C:
			now := d.opt.Now()
			d.hold(ctx, reader, now)
			if now.Sub(refilled) >= d.opt.Refill || d.stopped {
				refilled, d.stopped = now, false
				if err := d.engine.Refill(ctx, now.UnixMilli(), 2*d.opt.Refill.Milliseconds()); err != nil {
					d.say(false, "permits cannot be asked for: "+err.Error())
				} else {
					d.say(true, "")
				}
			}
			d.engine.Step(now.UnixMilli())
			d.report(ctx)
		}
	}
}

// hold opens and closes campaigns by who owns them, their status, their script and their hours.
func (d *Dialer) hold(ctx context.Context, reader *kgo.Client, now time.Time) {
	for id, c := range d.book.campaigns {
		runs, why := c.runs(now.In(d.opt.Zone))
		switch owns, read := d.owns(ctx, reader, c.partition); {
		case !owns:
			runs, why = false, "another dialer has it"
		case !read:
			runs, why = false, "its calls are being read"
		}
		if runs && !d.known[id] {
			d.known[id] = true
			d.add(c)
		}
		if !d.known[id] {
			continue
		}
		was, held := d.held[id]
		switch {
		case runs && held:
			d.engine.OpenCampaign(id)
			delete(d.held, id)
			d.opt.Logger.Info("campaign dials", "campaign", id)
		case !runs && (!held || was != why):
			d.held[id] = why
			d.opt.Logger.Info("campaign does not dial", "campaign", id, "why", why)
			if err := d.engine.CloseCampaigns(ctx, id); err != nil {
				d.opt.Logger.Warn("permits were not given back: they run out", "campaign", id, "error", err)
			}
		}
	}
}

// add hands a campaign with its leads and agents to the engine.
func (d *Dialer) add(c *campaign) {
	var leads []*dialer.Lead
	for _, l := range d.book.leads {
		if l.campaign == c.ID {
			leads = append(leads, &l.Lead)
		}
	}
	slices.SortFunc(leads, func(a, b *dialer.Lead) int { return int(a.NotBefore - b.NotBefore) })
	var agents []*dialer.Agent
	for _, a := range d.book.agents {
		if a.campaign == c.ID {
			agents = append(agents, &dialer.Agent{ID: a.id, TeamID: a.team, PartnerID: a.partner, State: seat(a.state)})
		}
	}
	d.engine.Add(c.Campaign, agents, leads)
	for _, s := range d.signals {
		if s.Campaign == c.ID || s.Campaign == "*" {
			s.Campaign = c.ID
			d.engine.Signal(s)
		}
	}
	d.opt.Logger.Info("campaign taken", "campaign", c.ID, "leads", len(leads), "agents", len(agents))
}

// seat is an agent's state as far as the engine is concerned: handling that it has not begun itself is being away.
func seat(s dialer.State) dialer.State {
	switch s {
	case dialer.Talking, dialer.WrapUp, "preparing", "dialing", "hold":
		return "other"
	}
	return s
}

// take takes a record; while replaying nothing goes to the engine, which has no campaign yet.
func (d *Dialer) take(r *kgo.Record, replaying bool) {
	bad := func(err error) {
		if err != nil {
			d.opt.Logger.Error("a record cannot be read and is passed over", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		}
	}
	d.at[place{r.Topic, r.Partition}] = r.Offset + 1
	if r.Attrs.IsControl() {
		return
	}
	switch r.Topic {
	case event.TopicCampaigns:
		var m event.Campaign
		if err := m.UnmarshalVT(r.Value); err != nil {
			bad(err)
		} else if c := d.book.campaign(&m, r.Partition); c != nil {
			d.engine.Update(c.Campaign)
		}
	case event.TopicLeads:
		var m event.Lead
		if err := m.UnmarshalVT(r.Value); err != nil {
			bad(err)
			return
		}
		old := d.book.leads[m.LeadId]
		l := d.book.lead(&m)
		if l == nil || !d.known[l.campaign] {
			return
		}
		if old != nil {
			if dialer.InWork(&old.Lead) { // its call goes on under the old version
				d.book.leads[m.LeadId] = old
				return
			}
			old.Done = true
		}
		bad(d.engine.AddLead(l.campaign, &l.Lead))
	case event.TopicCallFacts:
		var f event.CallFact
		if err := f.UnmarshalVT(r.Value); err != nil {
			bad(err)
		} else if replaying {
			d.past = append(d.past, &f)
		} else if f.Call != nil && f.Call.DialerId != d.opt.ID { // of its own calls the engine knows by itself
			d.book.call(&f)
		}
	case event.TopicAgentStates:
		var m event.AgentEvent
		if err := m.UnmarshalVT(r.Value); err != nil {
			bad(err)
		} else if s := m.GetState(); s != nil {
			d.agent(s)
		}
	case event.TopicCampaignSignals:
		var m event.CampaignSignal
		if err := m.UnmarshalVT(r.Value); err != nil {
			bad(err)
			return
		}
		s := Signal(&m, string(r.Key))
		if s.Verdict != "" {
			d.signals[string(r.Key)] = s
		}
		d.stopped = d.stopped || s.Verdict == pacing.Stop
		d.engine.Signal(s)
	}
}

func (d *Dialer) agent(s *event.AgentState) {
	before := ""
	if old := d.book.agents[s.AgentId]; old != nil {
		before = old.campaign
	}
	a := d.book.agentState(s)
	if a == nil {
		return
	}
	if before != a.campaign {
		d.engine.Observe(before, a.id, dialer.LoggedOut, a.at)
		d.engine.AddAgent(a.campaign, &dialer.Agent{ID: a.id, TeamID: a.team, PartnerID: a.partner, State: dialer.LoggedOut})
	}
	d.engine.Observe(a.campaign, a.id, seat(a.state), a.at)
}

// Signal is a campaign's signal as the engine takes it. Each source of verdicts has a key of its own, campaign/source.
func Signal(s *event.CampaignSignal, key string) dialer.Signal {
	out := dialer.Signal{Campaign: s.CampaignId, Verdict: pacing.Verdict(s.Verdict), Source: key[strings.LastIndexByte(key, '/')+1:], Reason: s.Reason}
	if s.Dials > 0 || s.LiveCalls > 0 {
		out.Observed = &dialer.Observed{Dials: s.Dials, Live: s.LiveCalls, AnswerRate: s.AnswerRate, AbandonmentRate: s.AbandonmentRate, HandlingMS: s.HandlingTimeMs, Ring: s.RingTimeMs}
	}
	return out
}

// report sends what happened; what could not be sent is sent with the next.
func (d *Dialer) report(ctx context.Context) {
	b := d.engine.Drain()
	d.unsent.Calls = append(d.unsent.Calls, b.Calls...)
	d.unsent.States = append(d.unsent.States, b.States...)
	send := func(kind string, objects []any) bool {
		if len(objects) == 0 {
			return true
		}
		res, err := d.opt.API.Send(ctx, kind, objects...)
		if err != nil {
			d.say(false, "what was done cannot be reported: "+err.Error())
			return false
		}
		for _, x := range res.Rejected { // in the dead letter by now
			d.opt.Logger.Error("a report was refused", "kind", kind, "pointer", x.Pointer, "detail", x.Detail)
		}
		return true
	}
	if send("calls", anys(d.unsent.Calls)) {
		d.unsent.Calls = nil
	}
	if send("agent-states", anys(d.unsent.States)) {
		d.unsent.States = nil
	}
}

func anys[T any](in []T) []any {
	out := make([]any, len(in))
	for i, x := range in {
		out[i] = x
	}
	return out
}

// end gives the permits back, lets calls that are about to end do so, hangs up the others and reports them all.
func (d *Dialer) end(ctx context.Context) error {
	d.say(false, "stopping")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.opt.Drain+5*time.Second)
	defer cancel()
	err := d.engine.Close(end)
	tick := time.NewTicker(d.opt.Interval)
	defer tick.Stop()
	for until := time.Now().Add(d.opt.Drain); d.engine.Open() > 0 && time.Now().Before(until); <-tick.C {
		d.engine.Step(d.opt.Now().UnixMilli())
	}
	d.engine.HangUp(d.opt.Now().UnixMilli())
	d.report(end)
	if n := len(d.unsent.Calls); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d calls were not reported", n))
	}
	return err
}
