package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryPresetIsValid(t *testing.T) {
	for _, name := range Presets() {
		p, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Name != name || len(p.Rules) == 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestErrorsNameTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"empty", "", "p.yaml:1:1: the policy is empty"},
		{"unknown field", "policy: x\nrules:\n  - id: A\n    limitt: 3\n", `p.yaml:4:5: unknown field "limitt"; did you mean "limit"?`},
		{"twice", "policy: x\nrules:\n  - {id: A, list: a}\n  - {id: A, list: b}\n", "rule A stands twice"},
		{"two kinds", "policy: x\nrules:\n  - {id: A, list: a, require: {plan: any}}\n", "expected exactly one of"},
		{"none", "policy: x\nrules:\n  - {id: A}\n", "expected exactly one of"},
		{"duration", "policy: x\nrules:\n  - {id: A, gap: 3months, since: refusal}\n", `"3months" is not a duration`},
		{"hours", "policy: x\nrules:\n  - {id: A, hours: [{days: [mon], from: \"22:00\", to: \"06:00\"}]}\n", "may not cross midnight"},
		{"purpose", "policy: x\nrules:\n  - {id: A, when: {purpose: sale}, list: a}\n", `did you mean "sales"?`},
		{"zone", "policy: x\ntime_zone: Mars\n", "is not a time zone"},
		{"no YAML", "policy: x\nrules:\n  - id: A\n    limit: 3\n   count: call\n", "p.yaml:5:4: value is not allowed in this context"},
		{"a tab", "policy: x\nrules:\n\t- id: A\n", "p.yaml:3:1: found character"},
		{"an open quote", "policy: \"x\nrules: []\n", "p.yaml:1:9: could not find end character"},
		{"a key twice", "policy: x\npolicy: y\n", `p.yaml:2:1: mapping key "policy" already defined`},
		{"an open brace", "policy: x\nrules:\n  - {id: A, list: x\n", "p.yaml:3:5: could not find flow mapping end"},
		{"extends nothing", "policy: x\nextends: nowhere\n", "neither a preset"},
		{"event", "policy: x\nrules:\n  - {id: A, limit: 1, count: sneeze, in: {calendar: day}}\n", "cannot be counted"},
	} {
		_, err := Parse("p.yaml", []byte(c.src))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A policy that extends itself, be it by way of another, is told where it says so.
func TestAPolicyThatExtendsItself(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	for f, src := range map[string]string{a: "policy: a\nextends: b\n", b: "policy: b\nversion: 2\nextends: a\n"} {
		if err := os.WriteFile(f, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(a); err == nil || !strings.Contains(err.Error(), b+":3:10: extends itself: "+a+" -> "+b+" -> "+a) {
		t.Errorf("%v", err)
	}
}

func TestExtendsReplacesInPlace(t *testing.T) {
	p, err := Parse("p.yaml", []byte("policy: mine\nversion: 2\nextends: china-unicom\nrules:\n  - {id: NEW, list: mine}\n  - {id: CAP-01, limit: 3, count: call, in: {rolling: 1y}}\n  - {id: CAP-07, enabled: false, hours: [{days: mon, from: \"08:00\", to: \"24:00\"}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Ref() != "mine@2" || p.Zone.String() != "Asia/Shanghai" || p.Rules[0].ID != "CAP-01" || p.Rules[0].N != 3 || p.Rules[len(p.Rules)-1].ID != "NEW" {
		t.Errorf("%s %s %+v", p.Ref(), p.Zone, p.Rules[0])
	}
	for _, r := range p.Rules {
		if r.ID == "CAP-07" {
			t.Error("a disabled rule is in force")
		}
	}
}

func FuzzParse(f *testing.F) {
	src, _, err := open("china-unicom", "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(src))
	f.Add("policy: x\nrules:\n  - {id: A, when: {product: p}, gap: 1y, since: {call: {answered: true}}, per: product}\n")
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Parse("fuzz.yaml", []byte(src))
		if (p == nil) == (err == nil) {
			t.Fatal(p, err)
		}
	})
}

// A scalar may stand where a list may (CONTRACT.md section 4).
func TestAScalarStandsForAList(t *testing.T) {
	const head = "policy: x\nrules:\n"
	for one, many := range map[string]string{
		`{id: A, limit: 0, when: {segment: vip, purpose: care, campaign: c, group: g, plan: p, tariff: t, partner: q, region: r, product: s}}`: `{id: A, limit: 0, when: {segment: [vip], purpose: [care], campaign: [c], group: [g], plan: [p], tariff: [t], partner: [q], region: [r], product: [s]}}`,
		`{id: A, gap: 1d, since: {call: {direction: inbound, purpose: care, answered_by: human, outcome: busy, campaign: c}}}`:                 `{id: A, gap: 1d, since: {call: {direction: [inbound], purpose: [care], answered_by: [human], outcome: [busy], campaign: [c]}}}`,
		`{id: A, hours: [{days: mon, from: "08:00", to: "24:00"}], holidays: 2026-10-01}`:                                                      `{id: A, hours: [{days: [mon], from: "08:00", to: "24:00"}], holidays: [2026-10-01]}`,
		`{id: A, require: {plan: gold, caller_id: 10010}}`:                                                                                     `{id: A, require: {plan: [gold], caller_id: ["10010"]}}`,
	} {
		p, err := Parse("p.yaml", []byte(head+"  - "+one+"\n"))
		if err != nil {
			t.Error(err)
			continue
		}
		q, err := Parse("p.yaml", []byte(head+"  - "+many+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		p.Rules[0].Event.Text, q.Rules[0].Event.Text = "", ""
		if d := cmp.Diff(q.Rules, p.Rules); d != "" {
			t.Errorf("%s is not %s: %s", one, many, d)
		}
	}
}
