package live

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/dialer/pacing"
	"github.com/ringfence/ringfence/event"
)

// book is what the topics say of campaigns, leads and agents. It is pure: records in, plain data out.
type book struct {
	campaigns map[string]*campaign
	leads     map[string]*lead
	agents    map[string]*agent
	open      func(sealed []byte) (string, error) // opens a sealed number
}

type campaign struct {
	dialer.Campaign
	at        int64
	status    string
	script    string
	hours     []open
	partition int32  // of the campaign in its topic
	fault     string // why its settings cannot be used
}

type lead struct {
	dialer.Lead
	campaign string
	at       int64
	sealed   []byte
}

type agent struct {
	id, team, partner, campaign string
	state                       dialer.State
	at                          int64
}

func newBook(open func([]byte) (string, error)) *book {
	return &book{campaigns: map[string]*campaign{}, leads: map[string]*lead{}, agents: map[string]*agent{}, open: open}
}

// pacingSettings is a campaign's "pacing" object.
type pacingSettings struct {
	Mode              pacing.Mode `json:"mode"`
	AbandonmentTarget *float64    `json:"abandonment_target"`
	MaxLevel          *float64    `json:"max_level"`
}

// Defaults of a campaign that does not say: one call a free agent; 3 % is the US safe harbour (REQUIREMENTS P).
const (
	defaultTarget   = 0.03
	defaultMaxLevel = 3
)

// campaign takes a version; the later `at` wins.
func (b *book) campaign(m *event.Campaign, partition int32) *campaign {
	old := b.campaigns[m.CampaignId]
	if old != nil && m.At < old.at {
		return nil
	}
	c := &campaign{at: m.At, status: m.Status, script: m.ScriptVersion, partition: partition}
	c.Campaign = dialer.Campaign{ID: m.CampaignId, Purpose: m.Purpose, Products: m.Products, PartnerID: m.PartnerId, Mode: pacing.Progressive, Target: defaultTarget, MaxLevel: defaultMaxLevel}
	if len(m.CallerIds) > 0 {
		c.CallerID = m.CallerIds[0]
	}
	if old != nil { // a version says what changes
		c.Purpose, c.status, c.script = cmp.Or(c.Purpose, old.Purpose), cmp.Or(c.status, old.status), cmp.Or(c.script, old.script)
		c.PartnerID, c.CallerID = cmp.Or(c.PartnerID, old.PartnerID), cmp.Or(c.CallerID, old.CallerID)
		if len(c.Products) == 0 {
			c.Products = old.Products
		}
		c.Mode, c.Target, c.MaxLevel, c.hours = old.Mode, old.Target, old.MaxLevel, old.hours
	}
	if len(m.PacingJson) > 0 {
		var p pacingSettings
		switch err := json.Unmarshal(m.PacingJson, &p); {
		case err != nil:
			c.fault = "its pacing cannot be read: " + err.Error()
		case p.Mode != "" && p.Mode != pacing.Progressive && p.Mode != pacing.Predictive:
			c.fault = fmt.Sprintf("its pacing mode is %q, expected progressive or predictive", p.Mode)
		default:
			c.Mode = cmp.Or(p.Mode, c.Mode)
			if p.AbandonmentTarget != nil {
				c.Target = *p.AbandonmentTarget
			}
			if p.MaxLevel != nil {
				c.MaxLevel = *p.MaxLevel
			}
		}
	}
	if len(m.HoursJson) > 0 {
		hours, err := readHours(m.HoursJson)
		if err != nil {
			c.fault = "its hours cannot be read: " + err.Error()
		}
		c.hours = hours
	}
	b.campaigns[m.CampaignId] = c
	return c
}

// runs tells whether the campaign may dial now, and why not.
func (c *campaign) runs(now time.Time) (bool, string) {
	switch {
	case c.fault != "":
		return false, c.fault
	case c.status != "running":
		return false, "its status is " + cmp.Or(c.status, "draft")
	case c.script == "":
		return false, "it has no script (CMP-01)"
	case c.Purpose == "":
		return false, "it has no purpose"
	case !isOpen(c.hours, now):
		return false, "its hours are closed"
	}
	return true, ""
}

// lead takes a version; the later `at` wins, of equal ones the later arrival. What became of earlier calls stays.
func (b *book) lead(m *event.Lead) *lead {
	old := b.leads[m.LeadId]
	if old != nil && m.At < old.at {
		return nil
	}
	l := &lead{campaign: m.CampaignId, at: m.At}
	l.Lead = dialer.Lead{ID: m.LeadId, CustomerID: m.CustomerId, ListID: m.ListId, Priority: int(m.Priority), Products: m.Products, ExpiresAt: m.ExpiresAt,
		InboundNumber: m.InboundNumber, Done: m.Useless != ""}
	if len(m.NumbersSealed) > 0 {
		l.sealed = m.NumbersSealed[0]
	}
	if old != nil {
		l.Attempts, l.NotBefore, l.Done = old.Attempts, old.NotBefore, l.Done || old.Done
		if l.sealed == nil {
			l.sealed = old.sealed
		}
	}
	if l.sealed != nil {
		n, err := b.open(l.sealed)
		if err != nil { // sealed under another key: it can't be dialled
			l.Done = true
		}
		l.Number = n
	}
	if l.Number == "" {
		l.Done = true // there is nothing to dial
	}
	b.leads[m.LeadId] = l
	return l
}

// call takes what became of a call on a lead, whoever dialled it.
func (b *book) call(f *event.CallFact) *lead {
	c := f.Call
	l := b.leads[c.GetLeadId()]
	if l == nil || f.Retracted || c.Direction == "inbound" {
		return nil
	}
	was := l.Attempts
	if !f.First {
		was-- // the same attempt, known better
	}
	l.Attempts = max(was, 0)
	if c.Useless != "" {
		l.Done = true
	}
	wait := dialer.After(&l.Lead, c.Outcome, c.AnsweredBy, c.Disposition)
	l.NotBefore = max(l.NotBefore, c.EndedAt+wait)
	return l
}

// agentState takes a transition; the later one wins.
func (b *book) agentState(s *event.AgentState) *agent {
	a := b.agents[s.AgentId]
	if a == nil {
		a = &agent{id: s.AgentId}
		b.agents[s.AgentId] = a
	}
	if s.At < a.at {
		return nil
	}
	a.at, a.state = s.At, dialer.State(s.State)
	a.team, a.partner, a.campaign = cmp.Or(s.TeamId, a.team), cmp.Or(s.PartnerId, a.partner), cmp.Or(s.CampaignId, a.campaign)
	return a
}
