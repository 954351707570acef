package asterisk

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// CallID names the call of a linkedid, whichever file tells of it.
func CallID(linkedid string) string { return "asterisk-" + linkedid }

// join makes one call of the rows of a linkedid, and names the customer it has should its number be no number.
func join(g *group, opt Options) (rows.Call, string, error) {
	rs := slices.Clone(g.rows)
	slices.SortStableFunc(rs, func(a, b *record) int { return cmp.Compare(a.sequence, b.sequence) })
	first := primary(g.id, rs)
	own := CallID(g.id)
	c := rows.Call{CallID: own, Direction: "outbound", Purpose: opt.Purpose, CampaignID: opt.Campaign}
	started, ended := first.start, first.end
	var answered time.Time
	for _, r := range rs {
		if r.start.Before(started) {
			started = r.start
		}
		if r.end.After(ended) {
			ended = r.end
		}
		if c.CampaignID == "" {
			c.CampaignID = r.get("accountcode")
		}
		if !r.answer.IsZero() && customers(r, first) && (answered.IsZero() || r.answer.Before(answered)) {
			answered = r.answer
		}
	}
	agent, bridged := onTheLine(rs, first)
	c.StartedAt, c.EndedAt = rows.Time(started), rows.Time(ended)
	c.AnsweredAt = rows.Time(answered)
	if !answered.IsZero() && !bridged.IsZero() {
		if bridged.Before(answered) {
			bridged = answered
		}
		c.BridgedAt, c.AgentID = rows.Time(bridged), agent
	}
	c.Outcome, c.HangupCause = outcome(rs, !answered.IsZero(), c.BridgedAt != "" || !queued(rs))
	c.Number, c.CustomerID = customer(rs, first)
	if c.Number == "" && c.CustomerID == "" {
		c.CustomerID = own
	}
	if opt.Mapping != nil {
		if err := opt.Mapping.Apply(&c, first.field); err != nil {
			return c, own, err
		}
	}
	return c, own, nil
}

// primary is the row of the channel the call began with.
func primary(id string, rs []*record) *record {
	for _, r := range rs {
		if r.get("uniqueid") == id {
			return r
		}
	}
	return rs[0]
}

// customers tells whether the row's answer is the customer's: that of the first channel or of the half of it that
// dials, not of an agent's leg.
func customers(r, first *record) bool {
	if r.get("uniqueid") == first.get("uniqueid") {
		return true
	}
	return leg(r.get("channel")) == 2 && sameLocal(r.get("channel"), first.get("channel"))
}

func sameLocal(a, b string) bool {
	return leg(a) != 0 && leg(b) != 0 && a[:len(a)-1] == b[:len(b)-1]
}

func queued(rs []*record) bool {
	return slices.ContainsFunc(rs, func(r *record) bool { return strings.EqualFold(r.get("lastapp"), "Queue") })
}

// onTheLine finds who talked and since when. A member that is a Local channel has a row of its own, whose answer is the
// agent's; of another member the row of the queue tells the name alone, and the customer's answer stands for the agent's.
// "NO ANSWER" with seconds billed: that leg was rung and did not answer.
func onTheLine(rs []*record, first *record) (string, time.Time) {
	for _, r := range rs {
		dst := r.get("dstchannel")
		if r.get("disposition") != "ANSWERED" || dst == "" || r.answer.IsZero() {
			continue
		}
		if customers(r, first) && leg(r.get("channel")) == 2 { // the half that dials the customer
			continue
		}
		if leg(dst) == 1 {
			for _, a := range rs {
				if leg(a.get("channel")) == 2 && sameLocal(a.get("channel"), dst) && a.get("disposition") == "ANSWERED" && !a.answer.IsZero() {
					return Agent(a.get("dstchannel")), a.answer
				}
			}
			continue
		}
		if r == first || r.get("uniqueid") == first.get("uniqueid") || strings.EqualFold(r.get("lastapp"), "Queue") {
			app := strings.ToLower(r.get("lastapp"))
			if app == "queue" {
				return Agent(dst), r.answer
			}
			return "", r.answer // Dial: the far end is the customer, the near end need not be a person we know
		}
	}
	return "", time.Time{}
}

// Agent names an agent from a channel (PJSIP/agent203-0000000b), an interface (Local/201@agents/n) or a member's
// name (Agent 203): the first and the last of these are agent203.
func Agent(s string) string {
	if _, rest, ok := strings.Cut(s, "/"); ok {
		s = rest
		if i := strings.IndexAny(s, "@/;"); i >= 0 {
			s = s[:i]
		} else if i := strings.LastIndexByte(s, '-'); i > 0 {
			s = s[:i]
		}
	}
	return strings.Join(strings.Fields(strings.ToLower(s)), "")
}

func outcome(rs []*record, answered, reachedAgent bool) (string, int) {
	cause := 0
	for _, r := range rs {
		// DIALSTATUS/HANGUPCAUSE, as many dialplans write it
		if _, v, ok := strings.Cut(r.get("userfield"), "/"); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 && n < 128 {
				cause = n
			}
		}
	}
	if answered {
		if reachedAgent {
			return "answered", cause
		}
		return "abandoned", cause
	}
	worst := ""
	for _, r := range rs {
		switch r.get("disposition") {
		case "BUSY":
			return "busy", cmp.Or(cause, 17)
		case "CONGESTION":
			worst = "unavailable"
		case "NO ANSWER":
			if worst == "" {
				worst = "no_answer"
			}
		case "FAILED":
			if worst == "" || worst == "no_answer" {
				worst = "failed"
			}
		}
	}
	switch cause {
	case 1, 28:
		return "invalid_number", cause
	case 21:
		return "rejected", cause
	case 20, 27, 34, 38, 41, 42:
		return "unavailable", cause
	}
	return cmp.Or(worst, "no_answer"), cause
}

// customer finds who was called: what the dialer wrote into userfield (number=, customer=), the number the dialling half
// of a Local channel called, a number in the name of the channel, an outside number as dst, or the dialer's contact=.
func customer(rs []*record, first *record) (number, id string) {
	contact := ""
	for _, r := range rs {
		for _, kv := range strings.FieldsFunc(r.get("userfield"), func(c rune) bool { return c == ';' || c == ',' || c == '&' || c == ' ' }) {
			k, v, ok := strings.Cut(kv, "=")
			if !ok || v == "" {
				continue
			}
			switch strings.ToLower(k) {
			case "number", "phone":
				return v, ""
			case "customer", "customer_id":
				return "", v
			case "contact", "contact_id":
				contact = v
			}
		}
	}
	for _, r := range rs {
		if customers(r, first) && leg(r.get("channel")) == 2 && isNumber(r.get("dst")) {
			return r.get("dst"), ""
		}
	}
	for _, ch := range []string{first.get("channel")} {
		if _, rest, ok := strings.Cut(ch, "/"); ok {
			n, _, _ := strings.Cut(rest, "@")
			if isNumber(n) {
				return n, ""
			}
		}
	}
	for _, r := range rs {
		if r.get("uniqueid") == first.get("uniqueid") && isNumber(r.get("dst")) {
			return r.get("dst"), ""
		}
	}
	return "", contact
}

func isNumber(s string) bool {
	n := 0
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			n++
		case c == '+' && i == 0, c == '-', c == ' ', c == '(', c == ')':
		default:
			return false
		}
	}
	return n >= 7 && n <= 15
}
