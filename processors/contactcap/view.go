package contactcap

import (
	"slices"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Request is what is asked: may this customer be called for this, now?
type Request struct {
	At              int64
	Purpose         string
	Products        []string
	Campaign        string
	PartnerID       string
	CallerID        string
	InboundNumber   string
	GuaranteedAgent bool
	Recording       bool
	NumberHash      string
}

// view is the customer as seen at one moment: his attributes, and which events exist.
type view struct {
	h   *History
	p   *policy.Policy
	req *Request
	now int64

	zone                          *time.Location
	segment, plan, tariff, region string
	groups                        []string
	unlisted                      bool // no change so far says anything of a list
}

// look makes v the view at a moment.
func (v *view) look(h *History, p *policy.Policy, req *Request, now int64) {
	*v = view{h: h, p: p, req: req, now: now, segment: "public", unlisted: true}
	zone := ""
	for i := range h.Changes {
		c := &h.Changes[i]
		if c.At > now {
			break
		}
		set := func(into *string, from *string) {
			if from != nil {
				*into = *from
			}
		}
		set(&v.segment, c.Segment)
		set(&v.plan, c.Plan)
		set(&v.tariff, c.Tariff)
		set(&v.region, c.Region)
		set(&zone, c.TimeZone)
		if c.GroupsSet {
			v.groups = c.Groups
		}
		v.unlisted = v.unlisted && len(c.Lists) == 0
	}
	v.zone = p.Location(zone)
}

// has tells whether the rule concerns the request, and with which products.
func (v *view) concerns(r *policy.Rule) (products []string, ok bool) {
	w := &r.When
	if !in(w.Segment, v.segment) || !in(w.Purpose, v.req.Purpose) || !in(w.Campaign, v.req.Campaign) || !in(w.Plan, v.plan) ||
		!in(w.Tariff, v.tariff) || !in(w.Partner, v.req.PartnerID) || !in(w.Region, v.region) {
		return nil, false
	}
	if len(w.Group) > 0 && !slices.ContainsFunc(v.groups, func(g string) bool { return slices.Contains(w.Group, g) }) {
		return nil, false
	}
	if w.GuaranteedAgent != nil && *w.GuaranteedAgent != v.req.GuaranteedAgent {
		return nil, false
	}
	if len(w.Product) == 0 {
		return v.req.Products, true
	}
	for _, p := range v.req.Products {
		if slices.Contains(w.Product, p) {
			products = append(products, p)
		}
	}
	return products, len(products) > 0
}

// spares tells at a glance that a rule allows whatever is asked: it is of a list on which nobody has put the customer.
func (v *view) spares(r *policy.Rule) bool {
	return r.Kind == policy.List && v.unlisted && r.List != "optout" && r.List != "complaint"
}

// onList tells whether the customer is on a list, and since which event.
func (v *view) onList(name string) (bool, Evidence) {
	on, since := false, Evidence{At: minTime}
	for i := range v.h.Changes {
		c := &v.h.Changes[i]
		if c.At > v.now {
			break
		}
		if b, ok := c.Lists[name]; ok {
			on, since = b, Evidence{EventID: c.EventID, At: c.At, What: AChange}
		}
	}
	// What a call or a complaint puts on a list stays until a later customer change takes it off.
	later := func(at int64, e Evidence) {
		if at <= v.now && at >= since.At {
			on, since = true, e
		}
	}
	switch name {
	case "optout":
		for i := range v.h.Calls {
			if c := &v.h.Calls[i]; c.OptOut {
				later(c.At, Evidence{EventID: c.EventID, CallID: c.CallID, At: c.At})
			}
		}
	case "complaint":
		for i := range v.h.Complaints {
			c := &v.h.Complaints[i]
			for _, at := range c.Serious {
				later(at, Evidence{EventID: c.EventID, CallID: c.CallID, At: at, What: AComplaint})
			}
		}
	}
	return on, since
}

// cleared tells whether a refusal of a product at a moment no longer exists.
func (v *view) cleared(product string, at int64) bool {
	for i := range v.h.Changes {
		c := &v.h.Changes[i]
		if c.At > v.now {
			break
		}
		if c.At >= at && slices.Contains(c.ClearRefusals, product) {
			return true
		}
	}
	return false
}

// each calls f for every event the rule counts, for one product ("" = any) under the rule's scope.
func (v *view) each(r *policy.Rule, product string, f func(Evidence)) {
	fl := &r.Event
	byCampaign := r.Per == policy.PerCampaign && v.req.Campaign != ""
	byNumber := r.Per == policy.PerNumber && v.req.NumberHash != ""
	scoped := func(campaign, number string, products []string) bool {
		return (product == "" || slices.Contains(products, product)) && (!byCampaign || campaign == v.req.Campaign) && (!byNumber || number == v.req.NumberHash)
	}
	switch fl.Event {
	case policy.Call:
		for i := range v.h.Calls {
			c := &v.h.Calls[i]
			if c.At > v.now {
				break
			}
			if scoped(c.Campaign, c.NumberHash, c.Products) && matches(fl, c) {
				f(Evidence{EventID: c.EventID, CallID: c.CallID, At: c.At})
			}
		}
		for i := range v.h.Permits { // all of them, also later ones: the worst they can become
			p := &v.h.Permits[i]
			if p.Over == permitOut && scoped(p.Campaign, p.NumberHash, p.Products) && couldMatch(fl, p) {
				f(Evidence{EventID: p.PermitID, At: p.At, What: APermit})
			}
		}
	case policy.Refusal:
		for i := range v.h.Calls {
			c := &v.h.Calls[i]
			if c.At > v.now {
				break
			}
			for _, refused := range c.Refused {
				if (product == "" || refused == product) && scoped(c.Campaign, c.NumberHash, c.Refused) && !v.cleared(refused, c.At) {
					f(Evidence{EventID: c.EventID, CallID: c.CallID, At: c.At}) // one refusal a call, however many products
					break
				}
			}
		}
	case policy.Complaint:
		for i := range v.h.Complaints {
			c := &v.h.Complaints[i]
			if c.At <= v.now && !c.Rejected && scoped(c.Campaign, c.NumberHash, c.Products) {
				f(Evidence{EventID: c.EventID, CallID: c.CallID, At: c.At, What: AComplaint})
			}
		}
	case policy.Cancellation:
		state := map[string]string{}
		for i := range v.h.Changes {
			c := &v.h.Changes[i]
			if c.At > v.now {
				break
			}
			hit := false
			for p, s := range c.Products {
				if s == "cancelled" && state[p] != "cancelled" && (product == "" || p == product) && !byCampaign && !byNumber {
					hit = true
				}
				state[p] = s
			}
			if hit {
				f(Evidence{EventID: c.EventID, At: c.At, What: AChange})
			}
		}
	}
}

// in tells whether a list names something; an empty one names all.
func in(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }

func matches(f *policy.Filter, c *CallEntry) bool {
	direction := "outbound"
	if c.Inbound {
		direction = "inbound"
	}
	return (f.AnyDirection || in(f.Direction, direction)) && in(f.Purpose, c.Purpose) && in(f.AnsweredBy, c.AnsweredBy) && in(f.Outcome, c.Outcome) &&
		in(f.CampaignIDs, c.Campaign) && (f.Answered == nil || *f.Answered == c.Answered) && (!f.Bridged || c.Bridged)
}

// couldMatch is matches for a permit that is out: it will be an outbound call that can turn out anyhow.
func couldMatch(f *policy.Filter, p *PermitEntry) bool {
	return (f.AnyDirection || in(f.Direction, "outbound")) && in(f.Purpose, p.Purpose) && in(f.CampaignIDs, p.Campaign)
}
