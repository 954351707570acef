package recompute

import (
	"slices"
	"strings"
)

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func isTrue(b *bool) bool { return b != nil && *b }

func (c *call) connected() bool { return c.answered != nil }

func (c *call) handling() float64 {
	if c.bridged == nil {
		return 0
	}
	ms := c.ended.Sub(*c.bridged).Milliseconds()
	if c.prepared != nil {
		ms += *c.prepared
	}
	if c.wrapped != nil {
		ms += c.wrapped.Sub(c.ended).Milliseconds()
	}
	return float64(ms) / 1000
}

func productive(s string) bool {
	return slices.Contains(strings.Fields("available preparing dialing talking hold wrap_up"), s)
}

// expect is the definition of each metric, in Go: it fills the numerator (0) and the denominator (1).
var expect = map[string]func(o *oracle, c cells){
	"account_size":       func(o *oracle, c cells) { o.stock(c, 0, func(bool) float64 { return 1 }) },
	"useless_accounts":   func(o *oracle, c cells) { o.stock(c, 0, one) },
	"corruption_rate":    func(o *oracle, c cells) { o.stock(c, 0, one); o.stock(c, 1, func(bool) float64 { return 1 }) },
	"effective_accounts": func(o *oracle, c cells) { o.stock(c, 0, func(u bool) float64 { return one(!u) }) },
	"accounts_called":    func(o *oracle, c cells) { o.accounts(c, 0, func(account) float64 { return 1 }) },
	"calls_made":         func(o *oracle, c cells) { o.calls(c, 0, false, func(*call) float64 { return 1 }) },
	"average_calling_attempts": func(o *oracle, c cells) {
		o.accounts(c, 0, func(a account) float64 { return a.n * one(!a.reached) })
		o.accounts(c, 1, func(a account) float64 { return one(!a.reached) })
	},
	"reachable_accounts": func(o *oracle, c cells) { o.accounts(c, 0, func(a account) float64 { return one(a.reached) }) },
	"unreachable_accounts": func(o *oracle, c cells) {
		o.accounts(c, 0, func(a account) float64 { return one(!a.reached && !a.useless) })
	},
	"reachable_rate":     func(o *oracle, c cells) { o.reachedLeads(c, 0); o.stock(c, 1, func(u bool) float64 { return one(!u) }) },
	"completed_accounts": func(o *oracle, c cells) { o.accounts(c, 0, func(a account) float64 { return one(a.completed) }) },
	"completed_rate": func(o *oracle, c cells) {
		o.accounts(c, 0, func(a account) float64 { return one(a.completed) })
		o.accounts(c, 1, func(a account) float64 { return one(a.reached) })
	},
	"successful_accounts": func(o *oracle, c cells) { o.accounts(c, 0, func(a account) float64 { return one(a.won) }) },
	"success_rate": func(o *oracle, c cells) {
		o.accounts(c, 0, func(a account) float64 { return one(a.won) })
		o.accounts(c, 1, func(a account) float64 { return one(a.completed) })
	},
	"paid_hours":         func(o *oracle, c cells) { o.paid(c, 0, false) },
	"productivity_hours": func(o *oracle, c cells) { o.states(c, 0, productive) },
	"non_productivity_hours": func(o *oracle, c cells) {
		o.states(c, 0, func(s string) bool { return !productive(s) })
	},
	"completed_per_hour": func(o *oracle, c cells) {
		o.accounts(c, 0, func(a account) float64 { return one(a.completed) })
		o.states(c, 1, productive)
	},
	"successful_per_hour": func(o *oracle, c cells) {
		o.accounts(c, 0, func(a account) float64 { return one(a.won) })
		o.states(c, 1, productive)
	},
	"average_handling_time": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return x.handling() })
		o.calls(c, 1, false, func(x *call) float64 { return one(x.bridged != nil) })
	},
	"utilization_rate": func(o *oracle, c cells) { o.states(c, 0, productive); o.paid(c, 1, false) },
	"attendance_rate":  func(o *oracle, c cells) { o.paid(c, 0, true); o.paid(c, 1, false) },
	"seats": func(o *oracle, c cells) {
		for k, calls := range o.rows() {
			seen := map[string]bool{"": true}
			for _, i := range calls {
				if x := &o.f.calls[i]; x.direction == "outbound" {
					c.add(k, 0, one(!seen[x.agent]))
					seen[x.agent] = true
				}
			}
		}
	},
	"dials_per_seat_hour": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(*call) float64 { return 1 })
		o.states(c, 1, productive)
	},
	"connect_rate": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return one(x.connected()) })
		o.calls(c, 1, false, func(*call) float64 { return 1 })
	},
	"connected_calls": func(o *oracle, c cells) { o.calls(c, 0, false, func(x *call) float64 { return one(x.connected()) }) },
	"answered_by_human": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return one(x.connected() && x.by == "human") })
	},
	"effective_talk_rate": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return one(x.effective()) })
		o.calls(c, 1, false, func(x *call) float64 { return one(x.connected()) })
	},
	"effective_talks": func(o *oracle, c cells) { o.calls(c, 0, false, func(x *call) float64 { return one(x.effective()) }) },
	"order_rate": func(o *oracle, c cells) {
		o.orders(c, 0, func(*call) bool { return true })
		o.calls(c, 1, false, func(x *call) float64 { return one(x.effective()) })
	},
	"orders":                  func(o *oracle, c cells) { o.orders(c, 0, func(*call) bool { return true }) },
	"telemarketing_successes": func(o *oracle, c cells) { o.calls(c, 0, true, func(x *call) float64 { return one(x.won()) }) },
	"online_successes": func(o *oracle, c cells) {
		o.calls(c, 0, true, func(x *call) float64 { return one(x.won() && (x.direction == "inbound" || isTrue(x.inboundLead))) })
	},
	"outbound_successes": func(o *oracle, c cells) {
		o.calls(c, 0, true, func(x *call) float64 { return one(x.won() && x.direction == "outbound" && !isTrue(x.inboundLead)) })
	},
	"complaints": func(o *oracle, c cells) { o.complaints(c, 0, false, false) },
	"complaint_rate": func(o *oracle, c cells) {
		o.complaints(c, 0, false, false)
		o.calls(c, 1, false, func(x *call) float64 { return one(x.connected()) })
	},
	"complaints_per_order": func(o *oracle, c cells) {
		o.complaints(c, 0, false, false)
		o.orders(c, 1, func(*call) bool { return true })
	},
	"complaints_unattributed": func(o *oracle, c cells) { o.complaints(c, 0, true, false) },
	"justified_complaints":    func(o *oracle, c cells) { o.complaints(c, 0, false, true) },
	"sales_effective_rate": func(o *oracle, c cells) {
		o.reviews(c, 0, func(r review) float64 { return one(r.sale && r.met) })
		o.reviews(c, 1, func(r review) float64 { return one(r.sale) })
	},
	"successful_visits": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return one(x.effective() && x.agent != "") })
	},
	"successful_orders": func(o *oracle, c cells) { o.orders(c, 0, func(x *call) bool { return x.agent != "" }) },
	"recording_coverage": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 {
			return one(x.connected() && (x.size != nil && *x.size > 44 || x.size == nil && x.duration != nil && *x.duration > 0))
		})
		o.calls(c, 1, false, func(x *call) float64 { return one(x.connected()) })
	},
	"abandonment_rate": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return one(x.outcome == "abandoned") })
		o.calls(c, 1, false, func(x *call) float64 { return one(x.connected() && x.by != "machine" && x.by != "fax") })
	},
	"occupancy": func(o *oracle, c cells) {
		o.states(c, 0, func(s string) bool { return productive(s) && s != "available" })
		o.states(c, 1, productive)
	},
	"permits":     func(o *oracle, c cells) { o.permits(c, 0, "permit") },
	"cap_denials": func(o *oracle, c cells) { o.permits(c, 0, "deny") },
	"cap_violations": func(o *oracle, c cells) {
		o.calls(c, 0, false, func(x *call) float64 { return one(len(x.violations) > 0) })
	},
	"qa_sample_rate": func(o *oracle, c cells) {
		o.qa(c, 0, func(r recording) float64 { return one(has(r.drawn, "daily")) })
		o.qa(c, 1, func(recording) float64 { return 1 })
	},
	"qa_score": func(o *oracle, c cells) {
		o.reviews(c, 0, func(r review) float64 { return r.score })
		o.reviews(c, 1, func(review) float64 { return 1 })
	},
	"qa_pass_rate": func(o *oracle, c cells) {
		o.reviews(c, 0, func(r review) float64 { return one(r.score >= 80 && !r.fatal) })
		o.reviews(c, 1, func(review) float64 { return 1 })
	},
}
