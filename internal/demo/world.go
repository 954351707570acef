package demo

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/dialer"
	"github.com/ringfence/ringfence/dialer/pacing"
)

// The centre: three campaigns, forty agents in four teams, two partners.
const (
	customers        = 36_000
	leadsPerCampaign = 15_000
	spikeCampaign    = "broadband"
	dayStart         = 9 * time.Hour
	dayEnd           = 20 * time.Hour
)

type world struct {
	seed      uint64
	loc       *time.Location
	campaigns []dialer.Campaign
	names     map[string]string
}

func newWorld(seed uint64, loc *time.Location) *world {
	return &world{seed: seed, loc: loc, campaigns: []dialer.Campaign{
		{ID: "5g-upgrade", Purpose: "sales", Products: []string{"5g-199"}, CallerID: "10010", Mode: pacing.Predictive, Target: 0.03, MaxLevel: 3},
		{ID: spikeCampaign, Purpose: "sales", Products: []string{"fttx-1000"}, CallerID: "10016", PartnerID: "partner-blue", Mode: pacing.Predictive, Target: 0.03, MaxLevel: 3},
		{ID: "satisfaction", Purpose: "survey", CallerID: "10010", PartnerID: "partner-green", Mode: pacing.Progressive, Target: 0.03, MaxLevel: 1},
	}, names: map[string]string{"5g-upgrade": "5G upgrade", spikeCampaign: "Gigabit broadband", "satisfaction": "Satisfaction survey"}}
}

// rng gives the same random numbers for the same thing, whatever was asked before.
func (w *world) rng(parts ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, parts...)
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// seats of each campaign.
func (w *world) agents(campaign int) []*dialer.Agent {
	size := []int{16, 14, 10}[campaign]
	first := []int{1, 17, 31}[campaign]
	var out []*dialer.Agent
	for i := range size {
		n := first + i
		team := fmt.Sprintf("team-%d", 1+(n-1)/10)
		out = append(out, &dialer.Agent{ID: fmt.Sprintf("agent-%02d", n), TeamID: team, PartnerID: w.campaigns[campaign].PartnerID, State: dialer.LoggedOut})
	}
	return out
}

func customerID(i int) string { return fmt.Sprintf("C%06d", i) }

// number is a mobile number of the range 199 0000 xxxx to 199 0003 xxxx.
func number(i int) string { return fmt.Sprintf("+861990%07d", i) }

type customerObject struct {
	CustomerID string          `json:"customer_id"`
	At         string          `json:"at"`
	Segment    string          `json:"segment"`
	Plan       string          `json:"plan,omitempty"`
	Numbers    []string        `json:"numbers"`
	Region     string          `json:"region"`
	Lists      map[string]bool `json:"lists,omitempty"`
}

func (w *world) customer(i int, at int64) customerObject {
	r := w.rng("customer", i)
	c := customerObject{CustomerID: customerID(i), At: client.Time(at), Segment: "public", Numbers: []string{number(i)},
		Region: []string{"neijiang", "zigong", "yibin", "luzhou"}[r.IntN(4)]}
	switch u := r.Float64(); {
	case u < 0.04:
		c.Segment = "vip"
	case u < 0.06:
		c.Segment = "corporate"
		if r.IntN(2) == 0 {
			c.Plan = "framework-2026"
		}
	}
	switch u := r.Float64(); {
	case u < 0.006:
		c.Lists = map[string]bool{"do_not_disturb": true}
	case u < 0.008:
		c.Lists = map[string]bool{"special": true}
	}
	return c
}

type leadObject struct {
	LeadID     string   `json:"lead_id"`
	CampaignID string   `json:"campaign_id"`
	CustomerID string   `json:"customer_id"`
	Numbers    []string `json:"numbers"`
	At         string   `json:"at"`
	ListID     string   `json:"list_id"`
	Products   []string `json:"products,omitempty"`
	Priority   int      `json:"priority"`
	Useless    string   `json:"useless,omitempty"`
}

// leads of one stretch: every campaign draws its own customers, some are in two lists.
func (w *world) leads(campaign, stretch int, at int64) ([]*dialer.Lead, []leadObject) {
	c := w.campaigns[campaign]
	perm := w.rng("leads", c.ID, stretch).Perm(customers)[:leadsPerCampaign]
	leads := make([]*dialer.Lead, 0, leadsPerCampaign)
	objects := make([]leadObject, 0, leadsPerCampaign)
	for n, i := range perm {
		r := w.rng("lead", c.ID, stretch, i)
		o := leadObject{LeadID: fmt.Sprintf("%s-%02d-%06d", c.ID, stretch, i), CampaignID: c.ID, CustomerID: customerID(i), Numbers: []string{number(i)},
			At: client.Time(at), ListID: fmt.Sprintf("%s-list-%d", c.ID, 1+n%3), Products: c.Products, Priority: r.IntN(3)}
		if r.Float64() < 0.01 {
			o.Useless = "incomplete"
		} else {
			leads = append(leads, &dialer.Lead{ID: o.LeadID, CustomerID: o.CustomerID, Number: number(i), ListID: o.ListID, Priority: o.Priority})
		}
		objects = append(objects, o)
	}
	return leads, objects
}

// earlier are calls of the year before, placed by an old dialer that asked nobody: some customers are at their cap
// when the story begins, and a few calls broke one.
func (w *world) earlier(start int64) []client.Call {
	var out []client.Call
	r := w.rng("earlier")
	for k := range 1500 {
		i := r.IntN(customers)
		n := 1 + r.IntN(7)
		for j := range n {
			at := start - int64(r.Float64()*330*24*3600*1000)
			day := time.UnixMilli(at).In(w.loc)
			at = time.Date(day.Year(), day.Month(), day.Day(), 10+r.IntN(9), r.IntN(60), r.IntN(60), 0, w.loc).UnixMilli()
			if at >= start {
				at -= 24 * 3600 * 1000
			}
			c := client.Call{CallID: fmt.Sprintf("old-%04d-%d", k, j), Direction: "outbound", CustomerID: customerID(i), Number: number(i),
				CallerID: "10010", Purpose: "care", CampaignID: "care-2026", DialerID: "old-dialer", StartedAt: client.Time(at), EndedAt: client.Time(at + 25_000), Outcome: "no_answer"}
			if r.Float64() < 0.4 {
				c.Outcome, c.AnsweredBy = "answered", "human"
				c.AnsweredAt, c.EndedAt = client.Time(at+9_000), client.Time(at+70_000)
				c.Recording = &client.Recording{URI: fmt.Sprintf("recordings/%s/%s.wav", c.StartedAt[:10], c.CallID), SizeBytes: 44 + 61_000*16, DurationMS: 61_000}
			}
			out = append(out, c)
		}
	}
	return out
}
