package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/dialer/carrier/simulated"
	"github.com/ringfence/ringfence/dialer/pacing"
)

// Options of a centre.
type Options struct {
	Seed     uint64
	Dir      string // where it remembers how far it is
	Client   *client.Client
	Location *time.Location
	Now      func() time.Time
	Days     int // of one stretch
	Before   int // how many days ago a new centre begins; at least Days
	Progress func(Progress)
}

// Progress is told while history is made.
type Progress struct {
	Day      string
	Done     float64 // 0..1 of the stretch
	Calls    int
	Permits  int
	Denied   int
	Released int
}

// Centre is one simulated call centre.
type Centre struct {
	opt   Options
	world *world
	state state
	trail *errgroup.Group // what of the last report is still on its way; nil = nothing
}

// state is the checkpoint, written at the end of every simulated day.
type state struct {
	Start    int64                     `json:"start"` // midnight of the first simulated day
	Stretch  int                       `json:"stretch"`
	Day      int                       `json:"day"` // next day of the stretch
	Prepared bool                      `json:"prepared"`
	Leads    map[string][]*dialer.Lead `json:"leads"`
	Total    Progress                  `json:"total"`
}

// round is how much centre time permits are asked for at once; they live 60 s.
const round = int64(55_000)

// New makes a centre or finds the one that lives in the directory.
func New(opt Options) (*Centre, error) {
	if opt.Days <= 0 {
		opt.Days = 4
	}
	opt.Before = max(opt.Before, opt.Days)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	c := &Centre{opt: opt, world: newWorld(opt.Seed, opt.Location)}
	b, err := os.ReadFile(c.file())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		now := opt.Now().In(opt.Location)
		c.state.Start = time.Date(now.Year(), now.Month(), now.Day()-opt.Before, 0, 0, 0, 0, opt.Location).UnixMilli()
		return c, c.save()
	case err != nil:
		return nil, fmt.Errorf("read the demo's progress: %w", err)
	}
	if err := json.Unmarshal(b, &c.state); err != nil {
		return nil, fmt.Errorf("read the demo's progress %s: %w (delete the file to begin anew)", c.file(), err)
	}
	c.number()
	return c, nil
}

func (c *Centre) file() string { return filepath.Join(c.opt.Dir, "centre.json") }

// number gives the leads back their telephone numbers, which are never written down.
func (c *Centre) number() {
	for _, leads := range c.state.Leads {
		for _, l := range leads {
			var i int
			if _, err := fmt.Sscanf(l.CustomerID, "C%d", &i); err == nil {
				l.Number = number(i)
			}
		}
	}
}

func (c *Centre) save() error {
	b, err := json.Marshal(&c.state)
	if err != nil {
		return fmt.Errorf("encode the demo's progress: %w", err)
	}
	if err := os.MkdirAll(c.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	tmp := c.file() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write the demo's progress: %w", err)
	}
	return os.Rename(tmp, c.file())
}

// Totals of all stretches so far.
func (c *Centre) Totals() Progress { return c.state.Total }

func (c *Centre) midnight(day int) time.Time {
	t := time.UnixMilli(c.state.Start).In(c.opt.Location)
	return time.Date(t.Year(), t.Month(), t.Day()+c.state.Stretch*c.opt.Days+day, 0, 0, 0, 0, c.opt.Location)
}

// CaughtUp tells whether the next stretch would reach into today: the past is used up.
func (c *Centre) CaughtUp() bool {
	return c.midnight(c.opt.Days).After(c.opt.Now())
}

// History works through one stretch of days, or what is left of one that was cut off.
func (c *Centre) History(ctx context.Context) error {
	if !c.state.Prepared {
		if err := c.prepare(ctx); err != nil {
			return err
		}
		c.state.Prepared = true
		if err := c.save(); err != nil {
			return err
		}
	}
	for ; c.state.Day < c.opt.Days; c.state.Day++ {
		if err := c.day(ctx, c.state.Day); err != nil {
			return fmt.Errorf("simulate %s: %w", c.midnight(c.state.Day).Format(time.DateOnly), err)
		}
		next := c.state
		next.Day++
		done := c.state
		c.state = next
		if err := c.save(); err != nil {
			return err
		}
		c.state = done
	}
	c.state.Stretch, c.state.Day, c.state.Prepared = c.state.Stretch+1, 0, false
	return c.save()
}

// prepare tells the customers, campaigns, leads and schedules of a stretch.
func (c *Centre) prepare(ctx context.Context) error {
	w := c.world
	at := c.midnight(0).UnixMilli()
	var customersOut, campaigns, leads, schedules, earlier []any
	if c.state.Stretch == 0 {
		for i := range customers {
			customersOut = append(customersOut, w.customer(i, at-400*24*3600*1000))
		}
		for _, call := range w.earlier(at) {
			earlier = append(earlier, call)
		}
	}
	c.state.Leads = map[string][]*dialer.Lead{}
	for k, camp := range w.campaigns {
		campaigns = append(campaigns, map[string]any{"campaign_id": camp.ID, "at": client.Time(at), "name": w.names[camp.ID], "purpose": camp.Purpose,
			"products": append([]string{}, camp.Products...), "status": "running", "script_version": "1", "caller_ids": []string{camp.CallerID}})
		ls, objects := w.leads(k, c.state.Stretch, at)
		c.state.Leads[camp.ID] = ls
		for _, o := range objects {
			leads = append(leads, o)
		}
		for d := range c.opt.Days {
			m := c.midnight(d)
			for _, a := range w.agents(k) {
				s := map[string]any{"agent_id": a.ID, "start_at": m.Add(dayStart).Format(time.RFC3339), "end_at": m.Add(dayEnd).Format(time.RFC3339), "kind": "work", "team_id": a.TeamID}
				if a.PartnerID != "" {
					s["partner_id"] = a.PartnerID
				}
				schedules = append(schedules, s)
			}
		}
	}
	// Customers first: a lead and a call name them.
	if err := c.send(ctx, "customers", customersOut); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.send(gctx, "campaigns", campaigns) })
	g.Go(func() error { return c.send(gctx, "leads", leads) })
	g.Go(func() error { return c.send(gctx, "schedules", schedules) })
	g.Go(func() error { return c.send(gctx, "calls", earlier) })
	if err := g.Wait(); err != nil {
		return err
	}
	c.state.Total.Calls += len(earlier)
	return nil
}

// send delivers objects in batches and takes no rejection: the centre sends nothing wrong.
func (c *Centre) send(ctx context.Context, kind string, objects []any) error {
	const batch = 2000
	for len(objects) > 0 {
		n := min(batch, len(objects))
		res, err := c.opt.Client.Send(ctx, kind, objects[:n]...)
		if err != nil {
			return err
		}
		if len(res.Rejected) > 0 {
			r := res.Rejected[0]
			return fmt.Errorf("%s: %d of %d rejected, the first at line %d %s: %s", kind, len(res.Rejected), n, r.Line, r.Pointer, r.Detail)
		}
		objects = objects[n:]
	}
	return nil
}

// day simulates one day from the first login to the last wrap-up.
func (c *Centre) day(ctx context.Context, day int) error {
	w := c.world
	m := c.midnight(day)
	ids := 0
	eng := dialer.New(dialer.Config{
		Carrier: simulated.New(w.seed, 1), Permits: c.opt.Client, DialerID: "ringfence-dialer", AbandonAfter: 2000, Parallel: 128, PreparedMS: 6000,
		NewID: func(int64) string { ids++; return fmt.Sprintf("sim-%s-%06d", m.Format("20060102"), ids) },
	})
	plan := newShift(w, m)
	for k, camp := range w.campaigns {
		agents := w.agents(k)
		eng.Add(camp, agents, c.state.Leads[camp.ID])
		plan.add(camp.ID, agents)
	}
	after := newAftermath(w, day == c.opt.Days-1, m)
	now, end := m.Add(dayStart).UnixMilli(), m.Add(dayEnd).UnixMilli()
	closed := false
	for now < end || eng.Open() > 0 {
		if now >= end && !closed {
			closed = true
			if err := eng.Close(ctx); err != nil {
				return err
			}
		}
		plan.upTo(eng, now)
		if !closed {
			if err := eng.Refill(ctx, now, round); err != nil {
				return err
			}
		}
		until := now + round
		for t := now; t < until; {
			eng.Step(t)
			next := min(eng.Next(until), plan.next(until))
			if next <= t {
				next = t + 1
			}
			t = next
			plan.upTo(eng, t)
		}
		now = until
		if err := c.report(ctx, eng, after, now); err != nil {
			return err
		}
		if c.opt.Progress != nil {
			p := c.state.Total
			p.Day = m.Format(time.DateOnly)
			p.Done = (float64(day) + min(1, float64(now-m.Add(dayStart).UnixMilli())/float64(end-m.Add(dayStart).UnixMilli()))) / float64(c.opt.Days)
			c.opt.Progress(p)
		}
	}
	plan.upTo(eng, now)
	return errors.Join(c.report(ctx, eng, after, m.AddDate(0, 0, 1).UnixMilli()), c.settle())
}

// report sends what has happened: calls before the next permits are asked, so that these see them. Nothing waits for the
// rest but the next report, so that every kind stays in order, and the day's end.
func (c *Centre) report(ctx context.Context, eng *dialer.Engine, after *aftermath, now int64) error {
	b := eng.Drain()
	c.state.Total.Permits += b.Asked - b.Denied
	c.state.Total.Denied += b.Denied
	c.state.Total.Released += b.Released
	c.state.Total.Calls += len(b.Calls)
	after.talks(b.Talks)
	complaints, surveys := after.due(now)
	if err := c.settle(); err != nil {
		return err
	}
	c.trail = &errgroup.Group{}
	c.trail.Go(func() error { return c.send(ctx, "agent-states", anys(b.States)) })
	c.trail.Go(func() error { return c.send(ctx, "complaints", complaints) })
	c.trail.Go(func() error { return c.send(ctx, "surveys", surveys) })
	return c.send(ctx, "calls", anys(b.Calls))
}

// settle waits for what is still on its way.
func (c *Centre) settle() error {
	if c.trail == nil {
		return nil
	}
	g := c.trail
	c.trail = nil
	return g.Wait()
}

func anys[T any](in []T) []any {
	out := make([]any, len(in))
	for i, x := range in {
		out[i] = x
	}
	return out
}

// Live goes on in real time until ctx ends; then it gives its permits back. Signals tell campaigns to run, throttle or stop.
func (c *Centre) Live(ctx context.Context, signals <-chan dialer.Signal) error {
	began := c.opt.Now().UnixMilli()
	ids := 0
	eng := dialer.New(dialer.Config{
		Carrier: simulated.New(c.world.seed+uint64(began), 1), Permits: c.opt.Client, DialerID: "ringfence-dialer", AbandonAfter: 2000, Parallel: 64, PreparedMS: 6000,
		NewID: func(int64) string { ids++; return fmt.Sprintf("live-%d-%06d", began, ids) },
	})
	for k, camp := range c.world.campaigns {
		agents := c.world.agents(k)
		eng.Add(camp, agents, c.state.Leads[camp.ID])
		for _, a := range agents {
			eng.SetState(camp.ID, a.ID, dialer.Available, began)
		}
	}
	after := newAftermath(c.world, false, c.opt.Now())
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var refilled int64
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			err := eng.Close(end)
			return errors.Join(err, c.report(end, eng, after, c.opt.Now().UnixMilli()), c.settle())
		case s := <-signals:
			eng.Signal(s)
			if s.Verdict == pacing.Stop { // its permits are given back now, not with the next refill
				refilled = 0
			}
		case <-tick.C:
			now := c.opt.Now().UnixMilli()
			if now-refilled >= 5000 {
				refilled = now
				// A failure shows in /readyz already; the next refill tries again.
				_ = eng.Refill(ctx, now, 10_000)
			}
			eng.Step(now)
			if err := c.report(ctx, eng, after, now); err != nil && ctx.Err() == nil {
				return fmt.Errorf("report what the centre did: %w", err)
			}
		}
	}
}
