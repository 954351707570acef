package sampling

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
)

// periodArrives makes a row a candidate of its slice of the period (SMP-04, SMP-05). A row that comes after the period was
// closed is drawn at once if there had been too few; its task is returned then.
func (p *processor) periodArrives(c *ctx, row *event.PopulationRow) (*event.QATask, error) {
	if !p.PerPeriod {
		return nil, nil
	}
	name, end := Period(row.Day)
	key := periodKey + name + "|" + row.AgentId
	plan, fresh, err := getPlan(c, key)
	if err != nil {
		return nil, err
	}
	if fresh {
		if plan.Closed, err = p.first(c, end); err != nil {
			return nil, err
		}
	}
	plan.Valid++
	plan.LastAt = c.Now().UnixMilli()
	ref := &event.SamplingRef{Day: row.Day, Seq: row.Seq, CampaignId: row.CampaignId, Rank: Rank(p.dayKey(end), row.AgentId, end, row.Day, row.Seq)}
	row.Period = name
	if plan.Closed {
		t, err := p.afterPeriod(c, plan, row)
		if err != nil {
			return nil, err
		}
		return t, putPlan(c, key, plan)
	}
	closed, err := p.sliceArrives(c, row, name, end, ref)
	if err != nil {
		return nil, err
	}
	if closed {
		row.Slice = late
		plan.Spare = keep(plan.Spare, ref)
	}
	if err := putPlan(c, key, plan); err != nil {
		return nil, err
	}
	return nil, c.SetTimer(key, p.periodCloses(end, plan.LastAt))
}

// afterPeriod draws a row that comes after the period was closed if there had been too few.
func (p *processor) afterPeriod(c *ctx, plan *event.SamplingPlan, row *event.PopulationRow) (*event.QATask, error) {
	row.Slice = after
	if len(plan.Drawn) >= Slices || plan.Exempt {
		return nil, nil
	}
	t := p.drawPeriod(c, plan, row)
	n := int32(len(plan.Drawn))
	return t, p.quota(c, &event.SamplingQuota{Draw: "period", Scope: row.Period, AgentId: row.AgentId, Slice: Slices + n, Nth: Slices + 1 + n, Population: plan.Valid, Required: 1, Drawn: 1,
		CallIds: []string{row.CallId}, ForRoles: []string{t.ForRole}, Campaigns: []string{row.CampaignId}, Reason: "it came after the period was closed with too few"})
}

// periodCloses is when an agent's period may close: after its slices.
func (p *processor) periodCloses(end string, lastAt int64) time.Time {
	return p.closes(end, lastAt).Add(time.Millisecond)
}

// sliceArrives makes a row a candidate of its slice; true = the slice is closed already.
func (p *processor) sliceArrives(c *ctx, row *event.PopulationRow, name, end string, ref *event.SamplingRef) (bool, error) {
	slice, last := Slice(row.Day)
	key := sliceKey + name + "|" + strconv.Itoa(slice) + "|" + row.AgentId
	s, fresh, err := getPlan(c, key)
	if err != nil {
		return false, err
	}
	if fresh {
		if s.Closed, err = p.first(c, end); err != nil {
			return false, err
		}
	}
	if s.Closed {
		return true, putPlan(c, key, s)
	}
	s.Valid++
	s.LastAt = c.Now().UnixMilli()
	s.Refs = keep(s.Refs, ref)
	row.Slice = int32(slice)
	if err := putPlan(c, key, s); err != nil {
		return false, err
	}
	return false, c.SetTimer(key, p.closes(last, s.LastAt))
}

// drawPeriod is the next task of an agent's period.
func (p *processor) drawPeriod(c *ctx, plan *event.SamplingPlan, row *event.PopulationRow) *event.QATask {
	n := len(plan.Drawn)
	role := Roles[n]
	plan.Drawn, plan.Roles = append(plan.Drawn, int64(n)+1), append(plan.Roles, role)
	t := taskOf(c, row, "period", fmt.Sprintf("period|%s|%s|%d", row.Period, row.AgentId, n+1), fmt.Sprintf("%d of %d of the agent's period %s (SMP-04)", n+1, Slices, row.Period))
	t.ForRole, t.Period = role, row.Period
	return t
}

// closeSlice draws what is due once a slice is over: one, and what earlier slices had too few for.
func (p *processor) closeSlice(c *ctx, key string) error {
	s, fresh, err := getPlan(c, key)
	if err != nil || fresh || s.Closed {
		return err
	}
	parts := strings.SplitN(key, "|", 4)
	if len(parts) != 4 {
		return nil
	}
	name, agent := parts[1], parts[3]
	slice, err := strconv.Atoi(parts[2])
	if err != nil {
		return nil
	}
	last := lastOfSlice(name, slice)
	if at := p.closes(last, s.LastAt); at.After(c.Now()) {
		return c.SetTimer(key, at)
	}
	plan, _, err := getPlan(c, periodKey+name+"|"+agent)
	if err != nil {
		return err
	}
	plan.Slice++ // slices closed: so many are due
	rest, err := p.take(c, plan, name, agent, slice, s.Refs, s.Valid, int(plan.Slice)-len(plan.Drawn))
	if err != nil {
		return err
	}
	plan.Spare = keep(plan.Spare, rest...)
	s.Closed, s.Refs = true, nil
	if err := putPlan(c, key, s); err != nil {
		return err
	}
	if err := putPlan(c, periodKey+name+"|"+agent, plan); err != nil {
		return err
	}
	_, end := Period(last)
	return p.last(c, end)
}

// take draws n of some candidates and tells how it came out; it returns those that are left.
func (p *processor) take(c *ctx, plan *event.SamplingPlan, name, agent string, slice int, refs []*event.SamplingRef, population int64, n int) ([]*event.SamplingRef, error) {
	exempt, err := p.exempt(c, "period", agent, name)
	if err != nil {
		return nil, err
	}
	q := &event.SamplingQuota{Draw: "period", Scope: name, AgentId: agent, Slice: int32(slice), Nth: plan.Slice, Population: population, Required: int64(n), Campaigns: Campaigns(refs, p.Difficulty)}
	if exempt {
		q.Reason = "exempt (SMP-06)"
		return refs, p.quota(c, q)
	}
	taken, rest := Pick(refs, q.Campaigns, len(plan.Drawn), n)
	for _, ref := range taken {
		row, err := getRow(c, ref.Day, agent, ref.Seq)
		if err != nil {
			return nil, err
		}
		if row == nil {
			continue // its rows are gone: nothing so old is drawn
		}
		t := p.drawPeriod(c, plan, row)
		if err := p.again(c, row, t); err != nil {
			return nil, err
		}
		q.CallIds, q.ForRoles = append(q.CallIds, row.CallId), append(q.ForRoles, t.ForRole)
	}
	q.Drawn = int64(len(q.CallIds))
	switch {
	case q.Drawn < q.Required && slice < Slices:
		q.Reason = "fewer recordings in the slice than were due: made up for later"
	case q.Drawn < q.Required:
		q.Reason = "fewer recordings in the period than " + strconv.Itoa(Slices) + ": all of them"
	}
	return rest, p.quota(c, q)
}

// lastOfSlice is the last day of a period's slice.
func lastOfSlice(name string, slice int) string {
	e, err := time.Parse("2006-01-02", name+"-27")
	if err != nil {
		return ""
	}
	for d := time.Date(e.Year(), e.Month()-1, 28, 0, 0, 0, 0, time.UTC); !d.After(e); d = d.AddDate(0, 0, 1) {
		if s, last := Slice(d.Format(time.DateOnly)); s == slice {
			return last
		}
	}
	return ""
}

// closePeriod draws at the period's end what is missing of seven.
func (p *processor) closePeriod(c *ctx, key string) error {
	plan, fresh, err := getPlan(c, key)
	if err != nil || fresh || plan.Closed {
		return err
	}
	name, agent, _ := strings.Cut(strings.TrimPrefix(key, periodKey), "|")
	end := name + "-27"
	if at := p.periodCloses(end, plan.LastAt); at.After(c.Now()) {
		return c.SetTimer(key, at)
	}
	plan.Closed = true
	if plan.Exempt, err = p.exempt(c, "period", agent, name); err != nil {
		return err
	}
	plan.Slice++
	if n := Slices - len(plan.Drawn); n > 0 {
		if _, err := p.take(c, plan, name, agent, Slices, plan.Spare, plan.Valid, n); err != nil {
			return err
		}
	}
	plan.Spare = nil
	if err := putPlan(c, key, plan); err != nil {
		return err
	}
	return p.last(c, end)
}

// exempt tells whether an agent is exempt from a draw in a period.
func (p *processor) exempt(c *ctx, draw, agent, period string) (bool, error) {
	if !slices.Contains(p.Exempt, draw) {
		return false, nil
	}
	w, err := getWatch(c, agent)
	return err == nil && slices.Contains(w.Exempt, period), err
}
