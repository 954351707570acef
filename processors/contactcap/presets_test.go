package contactcap_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// border is where a rule of a preset changes its mind, in the zone of the preset: a millisecond before it says one
// thing and from the very moment on the other.
type border struct {
	preset, rule string
	history      contactcap.History
	request      func(*contactcap.Request)
	at           string // the moment; "" = the rule does not depend on time
	denies       bool   // from the moment on; without a moment: at all
}

func ms(zone, s string) int64 {
	z, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, z)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

// calls at moments, as marketing calls of product p that a human answered and that ended so.
func calls(zone, outcome string, moments ...string) (h contactcap.History) {
	for _, m := range moments {
		h.Calls = append(h.Calls, contactcap.CallEntry{At: ms(zone, m), CallID: m, Purpose: "sales", Products: []string{"p"}, Campaign: "c", Outcome: outcome, Answered: outcome == "answered",
			Bridged: outcome == "answered", AnsweredBy: "human"})
	}
	return h
}

func refusals(zone string, moments ...string) contactcap.History {
	h := calls(zone, "answered", moments...)
	for i := range h.Calls {
		h.Calls[i].Refused = []string{"p"}
	}
	return h
}

func customer(change contactcap.Change) contactcap.History {
	return contactcap.History{Changes: []contactcap.Change{change}}
}

func onList(name string) contactcap.History {
	return customer(contactcap.Change{At: 1, Lists: map[string]bool{name: true}})
}

func str(s string) *string { return &s }

const (
	shanghai, newYork, london, rome, paris = "Asia/Shanghai", "America/New_York", "Europe/London", "Europe/Rome", "Europe/Paris"
)

func borders() []border {
	vip := func(h contactcap.History) contactcap.History {
		h.Changes = append(h.Changes, contactcap.Change{At: 1, Segment: str("vip")})
		return h
	}
	list := func(preset, rule, name string) border {
		return border{preset: preset, rule: rule, history: onList(name), denies: true}
	}
	return []border{
		{preset: "china-unicom", rule: "CAP-01", at: "2027-03-02 10:00:00", history: calls(shanghai, "no_answer", "2026-03-02 10:00:00", "2026-04-02 10:00:00", "2026-05-02 10:00:00",
			"2026-06-02 10:00:00", "2026-07-02 10:00:00", "2026-08-02 10:00:00")},
		{preset: "china-unicom", rule: "CAP-02", at: "2026-05-28 10:00:00", history: vip(calls(shanghai, "no_answer", "2026-02-28 10:00:00")), denies: false},
		{preset: "china-unicom", rule: "CAP-03", history: customer(contactcap.Change{At: 1, Segment: str("corporate")}), denies: true},
		{preset: "china-unicom", rule: "CAP-04", at: "2026-05-28 12:00:00", history: customer(contactcap.Change{At: ms(shanghai, "2026-02-28 12:00:00"), Products: map[string]string{"p": "cancelled"}})},
		{preset: "china-unicom", rule: "CAP-05", at: "2026-02-28 10:00:00", history: calls(shanghai, "answered", "2025-11-30 10:00:00")},
		{preset: "china-unicom", rule: "CAP-06", history: refusals(shanghai, "2020-01-01 10:00:00", "2020-01-02 10:00:00"), denies: true},
		{preset: "china-unicom", rule: "CAP-07", at: "2026-03-02 08:00:00"},
		{preset: "china-unicom", rule: "CAP-07", at: "2026-03-02 21:00:00", denies: true},
		list("china-unicom", "BL-01", "blacklist"), list("china-unicom", "BL-01-DND", "do_not_disturb"), list("china-unicom", "BL-02", "special"),
		list("china-unicom", "BL-02-PHONE", "public_phone"), list("china-unicom", "BL-03", "special_package"), list("china-unicom", "BL-04", "optout"),
		list("china-unicom", "BL-06", "other"), list("china-unicom", "BL-07", "complaint"),
		{preset: "china-unicom", rule: "REC-01", request: func(q *contactcap.Request) { q.Recording = false }, denies: true},
		{preset: "china-unicom", rule: "CLI-01", request: func(q *contactcap.Request) { q.CallerID = "+8613800138000" }, denies: true},
		{preset: "cn-operator", rule: "CNO-HOURS", at: "2026-03-02 08:00:00"},
		{preset: "cn-operator", rule: "CNO-HOURS", at: "2026-03-02 21:00:00", denies: true},
		{preset: "cn-operator", rule: "CNO-DAY", at: "2026-03-03 09:00:00", history: calls(shanghai, "busy", "2026-03-02 09:00:00", "2026-03-02 10:00:00", "2026-03-02 11:00:00",
			"2026-03-02 12:00:00", "2026-03-02 13:00:00")},
		{preset: "cn-operator", rule: "CNO-BURST", at: "2026-03-02 09:05:00", history: calls(shanghai, "busy", "2026-03-02 09:00:00", "2026-03-02 09:01:00", "2026-03-02 09:02:00")},
		{preset: "cn-operator", rule: "CNO-REGION", history: customer(contactcap.Change{At: 1, Region: str("xinjiang")}), denies: true},
		{preset: "us-tsr", rule: "TSR-HOURS", at: "2026-03-09 08:00:00"},
		{preset: "us-tsr", rule: "TSR-HOURS", at: "2026-03-09 21:00:00", denies: true},
		list("us-tsr", "TSR-DNC", "do_not_call"), list("us-tsr", "TSR-OPTOUT", "optout"),
		{preset: "us-florida", rule: "TSR-HOURS", at: "2026-03-09 20:00:00", denies: true},
		list("us-florida", "TSR-DNC", "do_not_call"), list("us-florida", "TSR-OPTOUT", "optout"),
		{preset: "us-florida", rule: "FL-3", at: "2026-03-10 09:00:00", history: calls(newYork, "busy", "2026-03-09 09:00:00", "2026-03-09 09:30:00", "2026-03-09 10:00:00")},
		{preset: "us-reg-f", rule: "REGF-7", at: "2026-03-09 10:00:00", history: calls(newYork, "busy", "2026-03-02 09:00:00", "2026-03-02 12:00:00", "2026-03-03 09:00:00", "2026-03-04 09:00:00",
			"2026-03-05 09:00:00", "2026-03-06 09:00:00", "2026-03-07 09:00:00")}, // seven days, one of them an hour short: the clocks changed
		{preset: "us-reg-f", rule: "REGF-TALK", at: "2026-05-11 09:00:00", history: calls(newYork, "answered", "2026-05-04 09:00:00")},
		{preset: "us-reg-f", rule: "REGF-HOURS", at: "2026-03-09 08:00:00"},
		{preset: "us-reg-f", rule: "REGF-HOURS", at: "2026-03-09 21:00:00", denies: true},
		{preset: "uk-ofcom", rule: "UK-72H", at: "2026-03-05 09:00:00", history: calls(london, "abandoned", "2026-03-02 09:00:00")},
		list("uk-ofcom", "UK-TPS", "do_not_call"),
		{preset: "it-garante", rule: "IT-5D", at: "2026-03-07 09:00:00", history: calls(rome, "abandoned", "2026-03-02 09:00:00")},
		{preset: "it-garante", rule: "IT-AGENT", history: calls(rome, "abandoned", "2026-01-02 09:00:00"), denies: true},
		{preset: "fr-decree-2022", rule: "FR-HOURS", at: "2026-03-02 13:00:00", denies: true},
		{preset: "fr-decree-2022", rule: "FR-HOURS", at: "2026-03-02 14:00:00"},
		{preset: "fr-decree-2022", rule: "FR-4", at: "2026-04-01 12:00:00", history: calls(paris, "busy", "2026-03-02 11:00:00", "2026-03-03 11:00:00", "2026-03-04 11:00:00", "2026-03-05 11:00:00")},
		{preset: "fr-decree-2022", rule: "FR-REFUSAL", at: "2026-05-01 12:00:00", history: refusals(paris, "2026-03-02 11:00:00")},
		{preset: "de-uwg", rule: "UWG-7", denies: true},
		list("de-uwg", "UWG-OPTOUT", "optout"),
		{preset: "in-trai", rule: "TRAI-140", denies: true},
		{preset: "in-trai", rule: "TRAI-1600", request: func(q *contactcap.Request) { q.Purpose = "care" }, denies: true},
		list("in-trai", "TRAI-DND", "do_not_disturb"),
		{preset: "br-anatel", rule: "BR-0303", denies: true},
		list("br-anatel", "BR-NMP", "do_not_call"),
		{preset: "au-2017", rule: "AU-HOURS", at: "2026-03-07 17:00:00", denies: true},
		{preset: "au-2017", rule: "AU-HOURS", at: "2026-03-09 09:00:00"},
		list("au-2017", "AU-DNC", "do_not_call"),
		{preset: "ca-crtc", rule: "CA-HOURS", at: "2026-03-09 21:30:00", denies: true},
		{preset: "ca-crtc", rule: "CA-HOURS", at: "2026-03-08 10:00:00"},
		list("ca-crtc", "CA-DNCL", "do_not_call"), list("ca-crtc", "CA-INTERNAL", "optout"),
	}
}

// Every rule of every preset, a millisecond before its border and exactly at it.
func TestPresets(t *testing.T) {
	tested := map[string]bool{}
	for _, b := range borders() {
		t.Run(b.preset+" "+b.rule+" "+b.at, func(t *testing.T) {
			tested[b.preset+" "+b.rule] = true
			p, err := policy.Load(b.preset)
			if err != nil {
				t.Fatal(err)
			}
			denies := func(h contactcap.History, at int64, change func(*contactcap.Request)) bool {
				q := contactcap.Request{At: at, Purpose: "sales", Products: []string{"p"}, Campaign: "c", CallerID: "10010", Recording: true}
				if change != nil {
					change(&q)
				}
				return slices.ContainsFunc(contactcap.Decide(&h, p, q).DeniedBy, func(d contactcap.Denial) bool { return d.Rule == b.rule })
			}
			if b.at == "" {
				if at := ms(p.Zone.String(), "2026-03-02 12:00:00"); denies(b.history, at, b.request) != b.denies {
					t.Errorf("denies: %v", !b.denies)
				}
				return
			}
			at := ms(p.Zone.String(), b.at)
			if got := denies(b.history, at-1, b.request); got != !b.denies {
				t.Errorf("a millisecond before: denies is %v", got)
			}
			if got := denies(b.history, at, b.request); got != b.denies {
				t.Errorf("at the moment: denies is %v", got)
			}
		})
	}
	for _, name := range policy.Presets() {
		p, err := policy.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Rules {
			if !tested[name+" "+r.ID] {
				t.Errorf("%s: %s has no border here", name, r.ID)
			}
		}
	}
}

// What lifts a rule that does not depend on time: consent, the right number, an agent.
func TestPresetsAreMet(t *testing.T) {
	for _, c := range []struct {
		preset string
		h      contactcap.History
		q      contactcap.Request
	}{
		{"de-uwg", onList("consent"), contactcap.Request{Purpose: "sales"}},
		{"de-uwg", contactcap.History{}, contactcap.Request{Purpose: "care"}},
		{"in-trai", contactcap.History{}, contactcap.Request{Purpose: "sales", CallerID: "+911401234567"}},
		{"in-trai", contactcap.History{}, contactcap.Request{Purpose: "care", CallerID: "1600123456"}},
		{"br-anatel", contactcap.History{}, contactcap.Request{Purpose: "sales", CallerID: "03031234567"}},
		{"uk-ofcom", calls(london, "abandoned", "2026-03-01 12:00:00"), contactcap.Request{Purpose: "sales", GuaranteedAgent: true}},
		{"it-garante", calls(rome, "abandoned", "2026-01-02 09:00:00"), contactcap.Request{Purpose: "sales", GuaranteedAgent: true}},
		{"us-reg-f", contactcap.History{Calls: []contactcap.CallEntry{{At: ms(newYork, "2026-03-01 12:00:00"), Inbound: true}}}, contactcap.Request{Purpose: "arrears"}},
	} {
		p, err := policy.Load(c.preset)
		if err != nil {
			t.Fatal(err)
		}
		c.q.At = ms(p.Zone.String(), "2026-03-02 12:00:00")
		if d := contactcap.Decide(&c.h, p, c.q); !d.Permit {
			t.Errorf("%s: %+v", c.preset, d.DeniedBy)
		}
	}
}
