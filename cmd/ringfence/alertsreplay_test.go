package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ringfence/ringfence/internal/app"
)

func TestReadIncidents(t *testing.T) {
	got, err := readIncidents(strings.NewReader("subject,from,to\nbroadband,2026-11-01T09:00:00+08:00,2026-11-02T09:00:00+08:00\n"))
	if err != nil || len(got) != 1 || got[0].subject != "broadband" || got[0].to.Sub(got[0].from) != 24*time.Hour {
		t.Errorf("%v %v", got, err)
	}
	for src, want := range map[string]string{
		"":                                 "expected a first line",
		"campaign,from,to\n":               "expected subject,from,to",
		"subject,from,to\na,yesterday,now": `line 2, from: "yesterday"`,
		"subject,from,to\na,b\n":           "wrong number of fields",
		"subject,from,to\n,2026-11-01T09:00:00Z,2026-11-02T09:00:00Z\n":  "line 2: expected a subject",
		"subject,from,to\na,2026-11-02T09:00:00Z,2026-11-01T09:00:00Z\n": "a to after its from",
	} {
		if _, err := readIncidents(strings.NewReader(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

func FuzzReadIncidents(f *testing.F) {
	for _, s := range []string{"subject,from,to\nbroadband,2026-11-01T09:00:00+08:00,2026-11-02T09:00:00+08:00\n", "subject,from,to\n\"a\nb\",x,y", "subject,from,to\n", "\x00,\",\"\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		got, err := readIncidents(strings.NewReader(src))
		for _, l := range got {
			if err != nil || l.subject == "" || !l.to.After(l.from) {
				t.Errorf("%+v %v", l, err)
			}
		}
	})
}

// Alerts are held against what is known, under any of their names; the chart shows when they were on.
func TestReplayIsScored(t *testing.T) {
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	until := at(5, 0)
	r := &scored{AlertsReplay: &app.AlertsReplay{From: "a", To: "b", Subjects: 1, Alerts: []*app.ReplayedAlert{
		{Kind: "complaint_spike", Dimension: "campaign", Subject: "hot", Also: []string{"partner blue"}, At: at(3, 12), Until: &until},
		{Kind: "complaint_spike", Dimension: "campaign", Subject: "cold", At: at(3, 12)},
	}, Days: []*app.ReplayDay{{Campaign: "hot", Day: "2026-11-02", Complaints: 1}, {Campaign: "hot", Day: "2026-11-03", Complaints: 8}, {Campaign: "none", Day: "2026-11-03"}}}}
	known := []*labelled{{subject: "blue", from: at(3, 9), to: at(3, 10)}, {subject: "else", from: at(3, 9), to: at(3, 10)}}
	r.score(known, time.FixedZone("", 8*3600))
	if r.True != 1 || r.False != 1 || len(r.Missed) != 1 {
		t.Errorf("%d true, %d false, missed %v", r.True, r.False, r.Missed)
	}
	var b bytes.Buffer
	if err := r.print(&b, known); err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"1 of known incidents, 1 false, 1 incident missed", "a to b: 1 subject, 2 alerts;", "FALSE  2026-11-03 12:00", "MISSED else 2026-11-03T17:00:00+08:00", "hot               ▁█  most 8", "                   !"} {
		if !strings.Contains(b.String(), w) {
			t.Errorf("%q is not in\n%s", w, b.String())
		}
	}
}
