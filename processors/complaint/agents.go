package complaint

import (
	"fmt"
	"time"

	"github.com/ringfence/ringfence/event"
)

// agent notes where an agent is. One that stays longer than his state may last is stuck. What is told of the past, by an
// import, is not watched: nobody can help there.
func (p *processor) agent(c *ctx, t *event.AgentState) error {
	key := agentKey + t.AgentId
	s, err := get(c, key)
	if err != nil {
		return err
	}
	if s.Agent != nil && s.Agent.At > t.At {
		return nil
	}
	if s.Agent != nil && s.Verdict == KindStuck && s.Agent.State != t.State {
		s.Verdict = ""
		if err := p.propose(c, stuckAlert(s.Agent, "resolved", t.At, t.AgentId+" went on to "+t.State), nil); err != nil {
			return err
		}
	}
	s.Agent = t
	limit := p.Stuck[t.State]
	due := time.UnixMilli(t.At).Add(limit)
	if limit > 0 && due.After(c.Now()) && s.Verdict == "" {
		if err := c.SetTimer(key, due); err != nil {
			return err
		}
	} else if s.Verdict == "" {
		if err := c.ClearTimer(key); err != nil {
			return err
		}
	}
	return c.Put(key, s)
}

func (p *processor) stuck(c *ctx, key string) error {
	s, ok, err := c.Get(key)
	if err != nil || !ok || s.Agent == nil {
		return err
	}
	limit := p.Stuck[s.Agent.State]
	now := c.Now()
	if limit <= 0 || now.Sub(time.UnixMilli(s.Agent.At)) < limit {
		return nil
	}
	s.Verdict = KindStuck
	p.Metrics.judged(KindStuck)
	if err := p.propose(c, stuckAlert(s.Agent, "firing", now.UnixMilli(), fmt.Sprintf("%s has been in %s since %s, longer than %s", s.Agent.AgentId, s.Agent.State,
		time.UnixMilli(s.Agent.At).In(p.Zone).Format("15:04:05"), limit)), nil); err != nil {
		return err
	}
	return c.Put(key, s)
}

func stuckAlert(t *event.AgentState, state string, at int64, detail string) *event.Alert {
	a := &event.Alert{AlertId: fmt.Sprintf("%s|%s|%d", KindStuck, t.AgentId, t.At), Kind: KindStuck, Dimension: "agent", Subject: t.AgentId, CampaignId: t.CampaignId, State: state, At: at, Since: t.At,
		Severity: "warning", Detail: detail, Action: "observe"}
	if t.CallId != "" {
		a.CallIds = []string{t.CallId}
	}
	return a
}
