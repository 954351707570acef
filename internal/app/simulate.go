package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/contactcap"
)

// lead is one of a campaign's, as its list has it now.
type lead struct {
	customer string
	products []string
}

// simulation is how a campaign's leads would fare at a time.
type simulation struct {
	Campaign string           `json:"campaign_id"`
	At       string           `json:"at"` // in the reporting zone
	Policy   string           `json:"policy"`
	Leads    int              `json:"leads"`
	Skipped  int              `json:"skipped"`
	Rules    []*simulatedRule `json:"rules"` // by the leads they cost
	Days     []simulatedDay   `json:"days"`  // when those skipped may be called, in the reporting zone
	Never    int              `json:"never"`
}

type simulatedRule struct {
	Rule   string `json:"rule"`
	Name   string `json:"name"`
	Leads  int    `json:"leads"`
	Alone  int    `json:"alone"` // no other rule denies them
	Later  int    `json:"later"` // allowed some time
	Detail string `json:"example"`
}

type simulatedDay struct {
	Day   string `json:"day"`
	Leads int    `json:"leads"`
}

// capsSimulate answers POST /v1/caps/simulate?campaign=&purpose=&product=&caller_id=&at=: nothing is reserved.
func (a *App) capsSimulate(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	at, err := time.Parse(time.RFC3339, q.Get("at"))
	if err != nil || q.Get("campaign") == "" {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The simulation cannot be read", "campaign and at (a time with an offset, such as 2026-12-01T10:00:00+08:00) are needed")
		return
	}
	told(w, r, func(ctx context.Context, progress func(float64)) (any, error) {
		if err := a.Counted(ctx); err != nil {
			return nil, err
		}
		leads, err := a.leadsOf(ctx, q.Get("campaign"))
		if err != nil {
			return nil, err
		}
		s := &simulation{Campaign: q.Get("campaign"), At: at.In(a.zone).Format(time.RFC3339), Policy: a.policies.current.Load().Ref(), Leads: len(leads), Rules: []*simulatedRule{}, Days: []simulatedDay{}}
		var mu sync.Mutex
		var done atomic.Int64
		rules, days := map[string]*simulatedRule{}, map[string]int{}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(64)
		for _, l := range leads {
			g.Go(func() error {
				req := &event.PermitRequest{Purpose: q.Get("purpose"), Products: l.products, CampaignId: s.Campaign, CallerId: q.Get("caller_id"), Recording: true, At: at.UnixMilli()}
				if len(req.Products) == 0 {
					req.Products = q["product"]
				}
				b, err := a.api.Explain(ctx, l.customer, req)
				if err != nil {
					return fmt.Errorf("ask for a lead: %w", err)
				}
				var x contactcap.Explanation
				if err := json.Unmarshal(b, &x); err != nil {
					return fmt.Errorf("read the answer for a lead: %w", err)
				}
				mu.Lock()
				s.count(&x, rules, days, a.zone)
				mu.Unlock()
				progress(float64(done.Add(1)) / float64(len(leads)))
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		for _, x := range rules {
			s.Rules = append(s.Rules, x)
		}
		slices.SortFunc(s.Rules, func(x, y *simulatedRule) int { return 2*(y.Leads-x.Leads) + strings.Compare(x.Rule, y.Rule) })
		for d, n := range days {
			s.Days = append(s.Days, simulatedDay{d, n})
		}
		slices.SortFunc(s.Days, func(x, y simulatedDay) int { return strings.Compare(x.Day, y.Day) })
		return s, nil
	})
}

// count takes one lead's answer.
func (s *simulation) count(x *contactcap.Explanation, rules map[string]*simulatedRule, days map[string]int, zone *time.Location) {
	if x.Decision == "permit" {
		return
	}
	s.Skipped++
	var denying []*contactcap.RuleExplanation
	for i := range x.Rules {
		if x.Rules[i].Verdict == "deny" {
			denying = append(denying, &x.Rules[i])
		}
	}
	for _, r := range denying {
		c := rules[r.Rule]
		if c == nil {
			c = &simulatedRule{Rule: r.Rule, Name: r.Name, Detail: r.Detail}
			rules[r.Rule] = c
		}
		c.Leads++
		if len(denying) == 1 {
			c.Alone++
		}
		if r.NextAllowedAt != nil {
			c.Later++
		}
	}
	if x.NextAllowedAt == nil {
		s.Never++
		return
	}
	if t, err := time.Parse(time.RFC3339, *x.NextAllowedAt); err == nil {
		days[t.In(zone).Format(time.DateOnly)]++
	}
}

// leadsOf are a campaign's leads in their latest version, without those that have expired or are useless.
func (a *App) leadsOf(ctx context.Context, campaign string) ([]lead, error) {
	rows, err := a.conn.Query(ctx, `SELECT customer, numbers, products FROM (SELECT lead_id, argMax(campaign_id, (at, arrival)) AS campaign, argMax(customer_id, (at, arrival)) AS customer,
		argMax(number_hashes, (at, arrival)) AS numbers, argMax(leads.products, (at, arrival)) AS products, argMax(useless, (at, arrival)) AS word, argMax(expires_at, (at, arrival)) AS expires
		FROM leads FINAL GROUP BY lead_id) WHERE campaign = ? AND word = '' AND (isNull(expires) OR expires > now64(3))`, campaign)
	if err != nil {
		return nil, fmt.Errorf("read the leads: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []lead
	for rows.Next() {
		var l lead
		var numbers []string
		if err := rows.Scan(&l.customer, &numbers, &l.products); err != nil {
			return nil, fmt.Errorf("read the leads: %w", err)
		}
		if l.customer == "" && len(numbers) > 0 {
			l.customer = event.UnknownCustomerPrefix + numbers[0]
		}
		if l.customer != "" {
			out = append(out, l)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the leads: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("campaign %s has no leads", campaign)
	}
	return out, nil
}
