package dashboards

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Every column that holds words has a name for them in every language.
func TestWordsHaveNames(t *testing.T) {
	for _, lang := range Langs() {
		words, err := WordsIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range All() {
			for _, p := range d.Panels() {
				q, err := d.Query(p, zone)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range q.Columns {
					named := words.Of(c.Name, c.Unit)
					if c.Unit == "word" && len(named) == 0 {
						t.Errorf("%s: the words of column %s of %q have no group of messages: add it to termsOf", lang, c.Name, p.Title.EN)
					}
					for value, text := range named {
						if han := strings.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0; han != (lang == Chinese) {
							t.Errorf("%s: %s of %s is called %q", lang, value, c.Name, text)
						}
					}
				}
			}
		}
	}
}

// Every rule that is shipped has a short name beside its id, which says nothing that a policy of one's own may have changed.
func TestRulesHaveNames(t *testing.T) {
	for _, lang := range Langs() {
		words, err := WordsIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		shipped := map[string]bool{}
		for _, name := range policy.Presets() {
			p, err := policy.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Rules {
				shipped[r.ID] = true
				if text := words["rule"][r.ID]; !strings.HasPrefix(text, r.ID+" ") {
					t.Errorf("%s: rule %s of %s is called %q", lang, r.ID, name, text)
				}
			}
		}
		for id := range words["rule"] {
			if !shipped[id] {
				t.Errorf("%s: the messages name %s, which is no rule of a preset", lang, id)
			}
		}
	}
}

// Grafana shows the words as the console does, whatever the column is called in the SELECT; what reads well stays as it is.
func TestGrafanaMapsWords(t *testing.T) {
	type column struct{ dashboard, panel, field, value string }
	for _, c := range []struct {
		column
		en, zh string
	}{
		{column{"calls", "Calls", "outcome", "no_answer"}, "no answer", "无人接听"},
		{column{"calls", "Calls", "outcome", "busy"}, "", "占线"},
		{column{"calls", "Calls", "disposition", "other"}, "", "其他"},
		{column{"caps", "Denials by rule", "rule", "CAP-01"}, "CAP-01 Calls a year", "CAP-01 每年外呼次数"},
		{column{"caps", "Permits by purpose", "purpose", "data_check"}, "data check", "资料核实"},
		{column{"complaints", "Newest complaints", "last_category", "wrong_explanation"}, "wrong explanation", "解释错误"},
		{column{"complaints", "Alerts", "state", "resolved"}, "ended", "已结束"},
		{column{"complaints", "Newest complaints", "state", "resolved"}, "", "已办结"},
	} {
		for lang, want := range map[Lang]string{English: c.en, Chinese: c.zh} {
			d, ok := Find(c.dashboard)
			if !ok {
				t.Fatalf("there is no dashboard %s", c.dashboard)
			}
			b, err := Grafana(d, zone, lang)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, mapped(t, d, b, c.panel, c.field, c.value)); diff != "" {
				t.Errorf("%s %+v:\n%s", lang, c.column, diff)
			}
		}
	}
}

// mapped is what an exported dashboard shows for a value of a panel's field, "" if it is shown as it is.
func mapped(t *testing.T, d Dashboard, export []byte, title, field, value string) string {
	t.Helper()
	var g struct {
		Panels []struct {
			ID          uint32
			FieldConfig struct {
				Overrides []struct {
					Matcher    struct{ ID, Options string }
					Properties []struct {
						ID    string
						Value json.RawMessage
					}
				}
			}
		}
	}
	if err := json.Unmarshal(export, &g); err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Panels {
		if ours, ok := d.Panel(p.ID); !ok || ours.Title.EN != title {
			continue
		}
		for _, o := range p.FieldConfig.Overrides {
			if o.Matcher.ID != "byName" || o.Matcher.Options != field {
				continue
			}
			for _, x := range o.Properties {
				if x.ID != "mappings" {
					continue
				}
				var m []struct {
					Type    string
					Options map[string]struct{ Text string }
				}
				if err := json.Unmarshal(x.Value, &m); err != nil || len(m) != 1 || m[0].Type != "value" {
					t.Fatalf("%s: mappings %s: %v", field, x.Value, err)
				}
				return m[0].Options[value].Text
			}
			return ""
		}
	}
	t.Errorf("%s has no column %s in a panel %q", d.UID, field, title)
	return ""
}
