package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

var monday = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

const two = "policy: two\ntime_zone: Asia/Shanghai\nrules:\n  - {id: CAP-01, limit: 2, count: call, in: {rolling: 12mo}}\n  - {id: BL-04, list: optout}\n"

// events are requests r0 to r3 of a customer who may be called twice: permit, permit, deny, and of another one: permit.
func events() (out []*event.CustomerEvent) {
	ask := func(id, customer string, after time.Duration) {
		out = append(out, &event.CustomerEvent{EventId: "permit:" + id, CustomerId: customer, Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{RequestId: id,
			Purpose: "sales", Recording: true, At: monday.Add(after).UnixMilli(), TtlMs: 60_000, Deadline: monday.Add(after + time.Hour).UnixMilli(), ReplyTo: &event.ReplyTo{Requester: "me"}}}})
	}
	ask("r0", "k", 0)
	ask("r1", "k", time.Minute)
	ask("r2", "k", 2*time.Minute)
	ask("r3", "z", 3*time.Minute)
	return out
}

// logged writes a log as the processor leaves it, but for what alter makes of its decisions (nil = it is not there), and
// audits it.
func logged(t *testing.T, alter func(*event.PermitDecision) []*event.PermitDecision) *Report {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, event.TopicCustomerEvents, event.TopicPermitDecisions))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	base := []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)}
	cl, err := kgo.NewClient(base...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	p, err := policy.Parse("two", []byte(two))
	if err != nil {
		t.Fatal(err)
	}
	o := contactcap.Options{Policy: func() *policy.Policy { return p }, OrphanAfter: 2 * time.Hour, AttributionWindow: time.Hour, CustomerHash: func(s string) string { return s }}
	d := memory.New(contactcap.New(o))
	produce := func(r *kgo.Record) {
		t.Helper()
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for i, ce := range events() {
		v, err := ce.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		at := monday.Add(time.Duration(i) * time.Minute)
		produce(&kgo.Record{Topic: event.TopicCustomerEvents, Key: []byte(ce.CustomerId), Value: v, Timestamp: at})
		if err := d.Feed(stream.Record{Topic: event.TopicCustomerEvents, Key: []byte(ce.CustomerId), Value: v, Time: at}); err != nil {
			t.Fatal(err)
		}
		for _, out := range d.Outputs() {
			if out.Topic != event.TopicPermitDecisions {
				continue
			}
			var pe event.PermitEvent
			if err := pe.UnmarshalVT(out.Value); err != nil {
				t.Fatal(err)
			}
			for n, was := range alter(pe.GetDecision().CloneVT()) {
				pe.Body = &event.PermitEvent_Decision{Decision: was}
				v, err := pe.MarshalVT()
				if err != nil {
					t.Fatal(err)
				}
				produce(&kgo.Record{Topic: event.TopicPermitDecisions, Key: out.Key, Value: v, Timestamp: at.Add(time.Duration(n) * time.Second)})
			}
		}
	}
	done := kadm.Offsets{}
	done.AddOffset(event.TopicCustomerEvents, 0, int64(len(events())), -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), stream.Group("contactcap"), done); err != nil {
		t.Fatal(err)
	}
	r, err := Audit(t.Context(), Source{Base: base, Processor: o}, p, time.UnixMilli(0), monday.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A decision that was altered in the topic is found, with the position of the request it answers.
func TestAlteredDecisions(t *testing.T) {
	is := func(request string, change func(*event.PermitDecision)) func(*event.PermitDecision) []*event.PermitDecision {
		return func(d *event.PermitDecision) []*event.PermitDecision {
			if d.RequestId == request {
				change(d)
			}
			return []*event.PermitDecision{d}
		}
	}
	request := func(n int) string { return fmt.Sprintf("%s/0/%d", event.TopicCustomerEvents, n) }
	for _, c := range []struct {
		name  string
		alter func(*event.PermitDecision) []*event.PermitDecision
		found []string // where, which and what
	}{
		{"nothing", is("", nil), nil},
		{"a permit where a denial had to be", is("r2", func(d *event.PermitDecision) { d.Decision, d.DeniedBy, d.NextAllowedAt = "permit", nil, 0 }),
			[]string{request(2) + " r2 permit was given, deny had to be: CAP-01 (2 calls in the 12 months before)"}},
		{"a denial where a permit had to be", is("r3", func(d *event.PermitDecision) { d.Decision, d.PermitId = "deny", "" }), []string{request(3) + " r3 deny was given, permit had to be"}},
		{"another permit", is("r3", func(d *event.PermitDecision) { d.PermitId = event.PermitID("k", "r3", 1) }), []string{request(3) + " r3 permit " + event.PermitID("k", "r3", 1)}},
		{"another next_allowed_at", is("r2", func(d *event.PermitDecision) { d.NextAllowedAt++ }), []string{request(2) + " r2 next_allowed_at was 2027-03-02T02:00:00.001Z, 2027-03-02T02:00:00.000Z had to be"}},
		{"another count", is("r2", func(d *event.PermitDecision) { *d.DeniedBy[0].Used = 5 }), []string{request(2) + " r2 CAP-01 was named with 5 of 2"}},
		{"another rule", is("r2", func(d *event.PermitDecision) { d.DeniedBy[0].Rule = "CAP-02" }), []string{request(2) + " r2 CAP-02 was named"}},
		{"a rule more", is("r2", func(d *event.PermitDecision) { d.DeniedBy = append(d.DeniedBy, &event.Denial{Rule: "X"}) }), []string{request(2) + " r2 2 rules were named, 1 had to be"}},
		{"decided again, and otherwise", func(d *event.PermitDecision) []*event.PermitDecision {
			if d.RequestId != "r3" {
				return []*event.PermitDecision{d}
			}
			forged := d.CloneVT()
			forged.Decision, forged.PermitId = "deny", ""
			return []*event.PermitDecision{d, forged}
		}, []string{event.TopicPermitDecisions + "/0/4 r3 deny, and another decision on the same request says permit"}},
		{"a request that came too late", func(d *event.PermitDecision) []*event.PermitDecision {
			if d.RequestId == "r3" {
				d = &event.PermitDecision{RequestId: d.RequestId, CustomerId: d.CustomerId, At: d.At, Expired: true}
			}
			return []*event.PermitDecision{d}
		}, nil},
	} {
		r := logged(t, c.alter)
		var found []string
		for _, d := range r.Differences {
			found = append(found, d.Where+" "+d.ID+" "+d.Detail)
		}
		ok := len(found) == len(c.found) && r.OK == (len(c.found) == 0) && r.Found == len(found)
		for i := range c.found {
			ok = ok && strings.HasPrefix(found[i], c.found[i])
		}
		if !ok {
			t.Errorf("%s: found %q, want %q", c.name, found, c.found)
		}
	}
}
