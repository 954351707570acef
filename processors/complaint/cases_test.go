package complaint

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/event"
)

// Which deadlines a complaint has, and who is told of them when: CPL-01 to CPL-04 and CPL-08, to the millisecond.
func TestDeadlines(t *testing.T) {
	opened := began.UnixMilli()
	sla := SLA{WarnMS: 2 * hourMS, EscalateMS: 24 * hourMS}
	for _, c := range []struct {
		name string
		x    *event.WatchCase
		want string // of each moment at which somebody else is told: hours after the receipt, level, rule, what
	}{
		{"CPL-01: nothing is known of it", &event.WatchCase{}, "46 owner CPL-01 reply, 48 team_leader CPL-01 reply, 72 department_head CPL-01 reply"},
		{"CPL-01: urgent, and the head's at once (CPL-08)", &event.WatchCase{Severity: "urgent"}, "22 owner CPL-01 reply, 24 department_head CPL-01 reply"},
		{"CPL-01: serious likewise", &event.WatchCase{Severity: "serious"}, "22 owner CPL-01 reply, 24 department_head CPL-01 reply"},
		{"CPL-01: a difficult one", &event.WatchCase{Handling: "difficult"}, "46 owner CPL-01 reply, 48 team_leader CPL-01 reply, 72 department_head CPL-01 reply"},
		{"CPL-02: to be handled by oneself", &event.WatchCase{Handling: "self"}, "10 owner CPL-02 reply, 12 team_leader CPL-02 reply, 36 department_head CPL-02 reply"},
		{"CPL-02: replied to, not resolved", &event.WatchCase{Handling: "self", RepliedAt: opened + 1}, "22 owner CPL-02 resolution, 24 team_leader CPL-02 resolution, 48 department_head CPL-02 resolution"},
		{"CPL-03: another department's", &event.WatchCase{Handling: "department"}, "22 owner CPL-03 resolution, 24 team_leader CPL-03 resolution, 48 department_head CPL-03 resolution"},
		{"CPL-03: a reply does not resolve it", &event.WatchCase{Handling: "department", RepliedAt: opened + 1}, "22 owner CPL-03 resolution, 24 team_leader CPL-03 resolution, 48 department_head CPL-03 resolution"},
		{"CPL-04: the network's", &event.WatchCase{Handling: "network"}, "46 owner CPL-04 reply, 48 team_leader CPL-04 reply, 72 department_head CPL-04 reply"},
		{"CPL-04: replied to: the source has no final limit", &event.WatchCase{Handling: "network", RepliedAt: opened + 1}, ""},
		{"closed", &event.WatchCase{Handling: "self", ClosedAt: opened + 1}, ""},
	} {
		c.x.OpenedAt = opened
		var got []string
		level, now := int32(0), opened
		for range 50 {
			l, d, next := sla.Escalation(c.x, now)
			if l > level {
				if before, _, _ := sla.Escalation(c.x, now-1); before >= l {
					t.Errorf("%s: level %d is reached before its moment", c.name, l)
				}
				got = append(got, fmt.Sprintf("%d %s %s %s", (now-opened)/hourMS, levelName(l), d.Rule, d.What))
			}
			level = l
			if next == 0 {
				break
			}
			if next <= now {
				t.Fatalf("%s: the clock stands still", c.name)
			}
			now = next
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A complaint graded serious is told once, with its call and what was done (BL-07, RET-05), is over when it is closed, and
// another incident when it is opened again. One of the past is told to nobody.
func TestSeriousComplaint(t *testing.T) {
	r := newRig(t, options())
	f := r.call("a", "1", began, nil)
	settle := func() { r.must(r.d.Advance(time.Second)); r.loop() }
	r.complain("c1", f.Call, "opened", began, func(x *event.ComplaintFact) { x.AttributedCallId, x.Complaint.CallId = "", f.Call.CallId })
	settle()
	if got := r.states(); got != "" {
		t.Fatalf("one that is not serious: %s", got)
	}
	graded := began.Add(time.Minute)
	for range 2 {
		r.complain("c1", f.Call, "graded", graded, func(x *event.ComplaintFact) { x.Complaint.Severity = "serious" })
	}
	settle()
	if len(r.alerts) != 1 {
		t.Fatalf("%s", r.states())
	}
	a := r.alerts[0]
	if a.Kind != KindSerious || a.State != "firing" || a.Severity != "critical" || a.Subject != "c1" || a.CampaignId != "a" || a.AgentId != "1" || a.At != graded.UnixMilli() || a.EscalateTo != "department_head" ||
		len(a.CallIds) != 1 || a.CallIds[0] != f.Call.CallId || !strings.Contains(a.Done, "BL-07") || !strings.Contains(a.Done, "held") || a.Past {
		t.Errorf("%v", a)
	}
	r.complain("c1", f.Call, "replied", began.Add(2*time.Minute), nil)
	settle()
	if len(r.alerts) != 1 {
		t.Errorf("a reply: %s", r.states())
	}
	r.complain("c1", f.Call, "resolved", began.Add(3*time.Minute), nil)
	settle()
	r.complain("c1", f.Call, "reopened", began.Add(4*time.Minute), nil)
	settle()
	ids := map[string]bool{}
	for _, x := range r.alerts {
		ids[fmt.Sprint(x.AlertId, "/", x.Seq)] = true
	}
	if got := r.states(); got != "1 firing complaint_serious complaint/c1\n2 resolved complaint_serious complaint/c1\n1 firing complaint_serious complaint/c1" || len(ids) != 3 {
		t.Errorf("closed and opened again: %s\n%v", got, ids)
	}
	old := r.d.Now().Add(-40 * 24 * time.Hour)
	r.complain("c2", f.Call, "opened", old, func(x *event.ComplaintFact) { x.Complaint.Severity = "serious" })
	r.complain("c3", f.Call, "opened", old, func(x *event.ComplaintFact) { x.Complaint.Severity = "serious" })
	r.complain("c3", f.Call, "resolved", old.Add(time.Hour), nil)
	r.pass(r.d.Now().Add(2 * time.Hour))
	for _, x := range r.alerts {
		if x.Kind == KindSerious && (x.Subject != "c2" || !x.Past) {
			t.Errorf("an import: %v", x)
		}
	}
}

// One that is overdue, answered, opened again and overdue again is two incidents: no message has the id of another.
func TestOverdueTwice(t *testing.T) {
	r := newRig(t, options())
	f := r.call("a", "1", began, nil)
	self := func(x *event.ComplaintFact) { x.Complaint.Handling, x.Complaint.Owner = "self", "ann" }
	r.complain("c1", f.Call, "opened", began, self)
	r.pass(began.Add(11 * time.Hour))
	r.complain("c1", f.Call, "resolved", r.d.Now(), nil)
	r.pass(r.d.Now().Add(time.Minute))
	r.complain("c1", f.Call, "reopened", r.d.Now(), nil)
	r.pass(began.Add(13 * time.Hour))
	ids := map[string]bool{}
	for _, a := range r.alerts {
		ids[fmt.Sprint(a.AlertId, "/", a.Seq)] = true
		if a.State == "firing" && !strings.Contains(a.Detail, "it is ann's") {
			t.Errorf("nobody owns the answer (CPL-05): %s", a.Detail)
		}
	}
	if len(ids) != len(r.alerts) || len(ids) < 3 {
		t.Errorf("%d messages, %d ids: %s", len(r.alerts), len(ids), r.states())
	}
}
