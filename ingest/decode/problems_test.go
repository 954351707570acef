package decode

import (
	"strings"
	"testing"

	"github.com/ringfence/ringfence/event"
)

// What is wrong with a value is said where it stands, with the status the contract gives it (CONTRACT.md section 1).
func TestProblemsPointToTheValue(t *testing.T) {
	d := decoder(t)
	call := `{"call_id":"c","customer_id":"k","purpose":"sales","started_at":"2026-03-02T10:00:00Z","ended_at":"2026-03-02T10:01:00Z","outcome":"busy"`
	for _, c := range []struct {
		kind          Kind
		body, pointer string
		status        int
	}{
		{Calls, call + `,"products":["a",1]}`, "/products/1", 400},
		{Calls, call + `,"products":["a",""]}`, "/products/1", 422},
		{Calls, call + `,"recording":{"uri":1}}`, "/recording/uri", 400},
		{Calls, call + `,"a/b~c":1}`, "/a~1b~0c", 400},
		{Calls, strings.Replace(call, `"outcome":"busy"`, `"note":""`, 1) + `}`, "/outcome", 400},
		{Calls, call + `,"appointment_at":"2026-03-02T1:00:00Z"}`, "/appointment_at", 422},
		{Calls, call + `,"appointment_at":"2026-03-02T10:00:00,5Z"}`, "/appointment_at", 422},
		{Calls, call + `,"appointment_at":"2026-03-02T10:00:00+24:00"}`, "/appointment_at", 422},
		{Calls, call + `,"appointment_at":"2026-03-02T10:00:00.0001Z"}`, "/appointment_at", 422},
		{Calls, call + `,"appointment_at":"2026-03-02T10:00:00"}`, "/appointment_at", 422},
		{Customers, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","numbers":["+8613800138000","12"]}`, "/numbers/1", 422},
		{Customers, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","lists":{"x":"yes"}}`, "/lists/x", 400},
		{Campaigns, `{"campaign_id":"k","at":"2026-03-02T10:00:00Z","pacing":[1]}`, "/pacing", 400},
	} {
		_, p := d.Decode(c.kind, []byte(c.body))
		found := false
		for _, x := range p {
			found = found || x.Pointer == c.pointer && x.Status == c.status
		}
		if !found || p.Status() != c.status {
			t.Errorf("%s\n  got %v, want %s with %d", c.body, p, c.pointer, c.status)
		}
	}
}

// The id that an answer gives to an unknown number is taken back as that number, so that it moves with it.
func TestTheIdOfAnUnknownNumberMeansTheNumber(t *testing.T) {
	d := decoder(t)
	id := "n:" + strings.Repeat("0a", 16)
	body := func(kind Kind, customer string) []byte {
		if kind == Calls {
			return []byte(`{"call_id":"c","customer_id":"` + customer + `","purpose":"sales","started_at":"2026-03-02T10:00:00Z","ended_at":"2026-03-02T10:01:00Z","outcome":"busy"}`)
		}
		return []byte(`{"customer_id":"` + customer + `","at":"2026-03-02T10:00:00Z"}`)
	}
	e, p := d.Decode(Calls, body(Calls, id))
	if p != nil || !e.Customer.ByNumber || e.Customer.NumberHash != id[2:] || e.Key != id {
		t.Errorf("%v %+v", p, e)
	}
	for _, c := range []struct {
		kind Kind
		id   string
	}{{Calls, "n:short"}, {Customers, id}} {
		if _, p := d.Decode(c.kind, body(c.kind, c.id)); len(p) != 1 || p[0].Pointer != "/customer_id" || p.Status() != 422 {
			t.Errorf("%s %s: %v", c.kind, c.id, p)
		}
	}
}

func TestNumbersInFreeTextAreMasked(t *testing.T) {
	d := decoder(t)
	const text = "ring 13800138000, +86 138 0013 8000"
	for kind, fields := range map[Kind][]string{
		Calls: {"strategy", "joint_channel"}, AgentStates: {"reason"}, Customers: {"by", "note"},
		Complaints: {"channel", "sub_cause", "owner", "note"}, Campaigns: {"name"},
	} {
		base := map[Kind]string{
			Calls:       `"call_id":"c","customer_id":"k","updated_at":"2026-03-02T10:00:00Z"`,
			AgentStates: `"agent_id":"a","state":"break","at":"2026-03-02T10:00:00Z"`,
			Customers:   `"customer_id":"k","at":"2026-03-02T10:00:00Z"`,
			Complaints:  `"complaint_id":"c","event":"opened","customer_id":"k","at":"2026-03-02T10:00:00Z"`,
			Campaigns:   `"campaign_id":"c","at":"2026-03-02T10:00:00Z"`,
		}[kind]
		for _, f := range fields {
			e, p := d.Decode(kind, []byte(`{`+base+`,"`+f+`":"`+text+`"}`))
			if p != nil {
				t.Fatal(p)
			}
			b, err := e.Message.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			if s := string(b); strings.Contains(s, "0138000") || strings.Contains(s, "0013 8000") || !strings.Contains(s, "ring 138") {
				t.Errorf("%s %s: %q", kind, f, s)
			}
		}
	}
}

// Whoever delivers a customer's change of numbers tells their registers, too: a permit asked for by number after the answer
// finds the customer (CONTRACT.md section 1, read your writes).
func TestRegistersOfNumbersAreToldAlong(t *testing.T) {
	d := decoder(t)
	for _, c := range []struct {
		kind           Kind
		body           string
		claims, leaves int
	}{
		{Customers, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","numbers":["13800138000","+8613800138001"],"numbers_removed":["13800138002"],"merges":["j"]}`, 2, 1},
		{Leads, `{"lead_id":"l","campaign_id":"c","customer_id":"k","at":"2026-03-02T10:00:00Z","numbers":["13800138000"]}`, 1, 0},
		{Leads, `{"lead_id":"l","campaign_id":"c","numbers":["13800138000"]}`, 0, 0},
	} {
		e, p := d.Decode(c.kind, []byte(c.body))
		if p != nil {
			t.Fatal(p)
		}
		claims, leaves, change := 0, 0, ""
		for x := e; x != nil; x = x.Also {
			ce, ok := x.Message.(*event.CustomerEvent)
			if !ok {
				continue
			}
			if ce.GetCustomer() != nil {
				change = ce.EventId
			}
			h := ce.GetHistoryClaim()
			switch {
			case h == nil || h.Whole:
				continue
			case x.Key != event.UnknownCustomerPrefix+h.NumberHash || ce.CustomerId != x.Key || h.From != e.At || !strings.HasPrefix(h.ClaimId, change+"/"):
				t.Errorf("%s: %s %+v", c.body, x.Key, ce)
			case h.Claimant == "k":
				claims++
			case h.ReleasedBy == "k":
				leaves++
			}
		}
		if claims != c.claims || leaves != c.leaves {
			t.Errorf("%s: %d claims and %d releases, want %d and %d", c.body, claims, leaves, c.claims, c.leaves)
		}
	}
}
