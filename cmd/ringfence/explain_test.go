package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

var updateExplanations = flag.Bool("explain.update", false, "write testdata/explain anew")

// TestExplanationsReadWell holds the text of `caps explain` for the customers a compliance officer asks about.
func TestExplanationsReadWell(t *testing.T) {
	china, err := policy.Load("china-unicom")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) int64 {
		when, err := time.ParseInLocation("2006-01-02 15:04", s, china.Zone)
		if err != nil {
			t.Fatal(err)
		}
		return when.UnixMilli()
	}
	n := 0
	call := func(when string, change func(*contactcap.CallEntry)) contactcap.CallEntry {
		n++
		c := contactcap.CallEntry{At: at(when), CallID: fmt.Sprint("call-", n), EventID: fmt.Sprintf("call:call-%d:%d", n, at(when)), Outcome: "no_answer", Purpose: "sales", Campaign: "5g-upgrade", Products: []string{"5g-199"}}
		if change != nil {
			change(&c)
		}
		return c
	}
	refused := func(c *contactcap.CallEntry) {
		c.Outcome, c.Answered, c.Bridged, c.AnsweredBy, c.Refused = "answered", true, true, "human", []string{"5g-199"}
	}
	is := func(when, segment string) contactcap.Change {
		return contactcap.Change{At: at(when), EventID: "customer:" + segment, Segment: &segment}
	}
	request := contactcap.Request{At: at("2026-11-24 10:30"), Purpose: "sales", Products: []string{"5g-199"}, Campaign: "5g-upgrade", Recording: true}
	for name, h := range map[string]*contactcap.History{
		"vip": {Changes: []contactcap.Change{is("2025-01-01 00:00", "vip")}, Calls: []contactcap.CallEntry{call("2026-06-02 11:00", nil), call("2026-11-20 15:00", nil)}},
		"six-calls": {Calls: []contactcap.CallEntry{call("2026-01-09 10:00", nil), call("2026-02-10 10:00", nil), call("2026-03-11 10:00", nil), call("2026-04-12 10:00", nil), call("2026-05-13 10:00", nil),
			call("2026-06-14 10:00", nil)}},
		"refused-twice": {Calls: []contactcap.CallEntry{call("2026-01-09 10:00", refused), call("2026-06-14 10:00", refused)}},
		"opted-out": {Calls: []contactcap.CallEntry{call("2026-08-09 10:00", func(c *contactcap.CallEntry) {
			c.Outcome, c.Answered, c.Bridged, c.AnsweredBy, c.OptOut = "answered", true, true, "human", true
		})}},
		"unknown":                {},
		"corporate-without-plan": {Changes: []contactcap.Change{is("2025-01-01 00:00", "corporate")}},
		"permitted":              {Calls: []contactcap.CallEntry{call("2026-06-14 10:00", nil)}, Permits: []contactcap.PermitEntry{{At: at("2026-11-24 10:29"), PermitID: "QzAwMDAx.1f", Purpose: "sales", Campaign: "5g-upgrade", Products: []string{"5g-199"}}}},
	} {
		e := contactcap.Explain(h, china, request)
		e.CustomerID = "C000017"
		b, err := e.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var x explanation
		if err := json.Unmarshal(b, &x); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := renderExplanation(&out, &x, question{purpose: request.Purpose, campaign: request.Campaign, products: request.Products}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", "explain", name+".txt")
		if *updateExplanations {
			if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s reads otherwise (-explain.update if it is better so):\n%s", name, diff)
		}
	}
}

// A partner reads how much evidence is others'.
func TestWithheldEvidenceIsCounted(t *testing.T) {
	var x explanation
	if err := json.Unmarshal([]byte(`{"customer_id":"K","decision":"permit","rules":[{"rule":"CAP-01","verdict":"allow","used":3,"limit":6,"evidence":[{"call_id":"mine","what":"call"}],"withheld":2}]}`), &x); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := renderExplanation(&out, &x, question{purpose: "sales"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "call mine\n") || !strings.Contains(out.String(), "and 2 of others, which a partner is not shown") {
		t.Error(out.String())
	}
}
