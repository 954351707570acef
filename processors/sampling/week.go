package sampling

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
)

// WeekEnd is the last day, the Sunday, of a day's ISO week, in the form YYYY-MM-DD.
func WeekEnd(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return t.AddDate(0, 0, (7-int(t.Weekday()))%7).Format(time.DateOnly)
}

// weekArrives numbers a row in its agent's week and tells whether it is drawn (SMP-02): as the daily draw does, over
// blocks of the week's own numbers. The key is that of the week's last day, which is secret until the week is over.
func (p *processor) weekArrives(c *ctx, row *event.PopulationRow) (bool, error) {
	if p.WeeklyOneIn < 1 {
		return false, nil
	}
	week := WeekEnd(row.Day)
	key := weekKey + week + "|" + row.AgentId
	plan, fresh, err := getPlan(c, key)
	if err != nil {
		return false, err
	}
	if fresh {
		if plan.Closed, err = p.first(c, week); err != nil {
			return false, err
		}
		if plan.Closed {
			plan.ClosedAtValid = 0
		}
	}
	if plan.Valid%p.WeeklyOneIn == 0 {
		plan.Refs = nil
	}
	plan.Valid++
	plan.LastAt = c.Now().UnixMilli()
	plan.Refs = append(plan.Refs, &event.SamplingRef{Day: row.Day, Seq: row.Seq})
	row.Week, row.WeekSeq, row.WeekLate = week, plan.Valid, plan.Closed
	closedAt := int64(-1)
	if plan.Closed {
		closedAt = plan.ClosedAtValid
	}
	drawn := Arrive(p.dayKey(week), "weekly|"+row.AgentId, week, plan.Valid, closedAt, p.WeeklyOneIn)
	if drawn {
		plan.Drawn = append(plan.Drawn, plan.Valid)
	}
	if err := putPlan(c, key, plan); err != nil || plan.Closed {
		return drawn, err
	}
	return drawn, c.SetTimer(key, p.closes(week, plan.LastAt))
}

func (p *processor) drawWeekly(c *ctx, row *event.PopulationRow) *event.QATask {
	t := taskOf(c, row, "weekly", "weekly|"+row.Week+"|"+row.AgentId+"|"+strconv.FormatInt(row.WeekSeq, 10), fmt.Sprintf("one in %d of the agent's week (SMP-02)", p.WeeklyOneIn))
	t.ForRole = "supervising"
	return t
}

func (p *processor) closeWeek(c *ctx, key string) error {
	plan, fresh, err := getPlan(c, key)
	if err != nil || fresh || plan.Closed {
		return err
	}
	week, agent, _ := strings.Cut(strings.TrimPrefix(key, weekKey), "|")
	if at := p.closes(week, plan.LastAt); at.After(c.Now()) {
		return c.SetTimer(key, at)
	}
	plan.Closed, plan.ClosedAtValid = true, plan.Valid
	if n := Close(p.dayKey(week), "weekly|"+agent, week, plan.Valid, p.WeeklyOneIn); n > 0 {
		ref := plan.Refs[(n-1)%p.WeeklyOneIn]
		row, err := getRow(c, ref.Day, agent, ref.Seq)
		if err != nil {
			return err
		}
		if row != nil {
			plan.Drawn = append(plan.Drawn, n)
			if err := p.again(c, row, p.drawWeekly(c, row)); err != nil {
				return err
			}
		}
	}
	if err := putPlan(c, key, plan); err != nil {
		return err
	}
	err = p.quota(c, &event.SamplingQuota{Draw: "weekly", Scope: week, AgentId: agent, Population: plan.Valid, Required: (plan.Valid + p.WeeklyOneIn - 1) / p.WeeklyOneIn, Drawn: int64(len(plan.Drawn))})
	if err != nil {
		return err
	}
	return p.last(c, week)
}

func (p *processor) quota(c *ctx, q *event.SamplingQuota) error {
	q.At = c.Now().UnixMilli()
	return emit(c, q.AgentId, &event.SamplingFact{Body: &event.SamplingFact_Quota{Quota: q}})
}
