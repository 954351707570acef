package rubric

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
)

func standard(t testing.TB) *Rubric {
	r, err := Load(Default)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sheet answers everything with the best answer, then as changed.
func sheet(r *Rubric, sale bool, changed map[string]string) *event.QASheet {
	s := &event.QASheet{Rubric: r.ID(), Sale: sale}
	add := func(id, best string) {
		if a, ok := changed[id]; ok {
			best = a
		}
		if best != "" {
			s.Checks = append(s.Checks, &event.QACheck{Id: id, Answer: best})
		}
	}
	for _, sec := range r.Sections {
		for _, c := range sec.Checkpoints {
			if !c.Sale || sale {
				add(c.ID, Yes)
			}
		}
	}
	for _, x := range r.Standards {
		if sale {
			add(x.ID, Yes)
		}
	}
	for _, x := range r.Taboos {
		add(x.ID, "")
	}
	for _, x := range r.Tariff {
		add(x.ID, "")
	}
	return s
}

// Worked by hand: norm is 40 over weights 2+1+2+3+2+2+2+2 = 16; skill is 60 over 18 without a sale (24 with one).
func TestScore(t *testing.T) {
	r := standard(t)
	for name, x := range map[string]struct {
		sale    bool
		changed map[string]string
		score   float64
		fatal   bool
		met     bool
		passed  bool
		failed  []string
		fines   []string
	}{
		"all well":                    {score: 100, passed: true},
		"a sale, all well":            {sale: true, score: 100, met: true, passed: true},
		"no closing":                  {changed: map[string]string{"norm.closing": No}, score: 95, passed: true, failed: []string{"norm.closing"}, fines: []string{"fine.closing"}},
		"partial attitude":            {changed: map[string]string{"norm.attitude": Partial}, score: 96.25, passed: true},
		"n.a. leaves the others":      {changed: map[string]string{"norm.closing": NA, "norm.hangup": No}, score: round(100 - 40*2.0/14), passed: true, failed: []string{"norm.hangup"}, fines: []string{"fine.hangup"}},
		"a taboo":                     {changed: map[string]string{"taboo.complain": Yes}, score: 90, passed: true, failed: []string{"taboo.complain"}, fines: []string{"fine.wording"}},
		"below the pass mark":         {changed: map[string]string{"taboo.complain": Yes, "taboo.asyoulike": Yes, "taboo.who": Yes}, score: 78, failed: []string{"taboo.asyoulike", "taboo.complain", "taboo.who"}, fines: []string{"fine.wording"}},
		"at the pass mark":            {changed: map[string]string{"taboo.complain": Yes, "taboo.asyoulike": Yes}, score: 80, passed: true, failed: []string{"taboo.asyoulike", "taboo.complain"}, fines: []string{"fine.wording"}},
		"fatal":                       {sale: true, changed: map[string]string{"skill.tariff": No}, fatal: true, met: true, failed: []string{"skill.tariff"}, fines: []string{"fine.fatal", "fine.zero"}},
		"no consent":                  {sale: true, changed: map[string]string{"ELIG-04": No}, score: 100, passed: true, failed: []string{"ELIG-04"}, fines: []string{"fine.forced"}},
		"a fine by hand":              {changed: map[string]string{"fine.grumbling": Yes}, score: 100, passed: true, fines: []string{"fine.grumbling"}},
		"a fine waived":               {changed: map[string]string{"norm.closing": No, "fine.closing": No}, score: 95, passed: true, failed: []string{"norm.closing"}},
		"never below nothing at all":  {changed: map[string]string{"norm.closing": No, "taboo.complain": Yes, "taboo.asyoulike": Yes, "taboo.notmine": Yes, "taboo.impatient": Yes}, score: 65, failed: []string{"norm.closing", "taboo.notmine", "taboo.impatient", "taboo.asyoulike", "taboo.complain"}, fines: []string{"fine.wording", "fine.closing"}},
		"a section that is n.a. only": {changed: map[string]string{"skill.need": NA, "skill.expression": NA, "skill.communication": NA, "skill.adaptability": NA, "skill.knowledge": NA, "skill.refusals": NA, "skill.record": NA}, score: 100, passed: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := Score(r, sheet(r, x.sale, x.changed))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			var fines []string
			for _, p := range got.Penalties {
				fines = append(fines, p.Id)
			}
			if got.Score != x.score || got.Fatal != x.fatal || got.StandardsMet != x.met || got.Passed != x.passed {
				t.Errorf("score %v fatal %v standards %v passed %v, want %v %v %v %v", got.Score, got.Fatal, got.StandardsMet, got.Passed, x.score, x.fatal, x.met, x.passed)
			}
			if d := cmp.Diff(x.failed, got.Failed); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(x.fines, fines); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSheetsThatAreWrong(t *testing.T) {
	r := standard(t)
	for name, x := range map[string]struct {
		sheet *event.QASheet
		want  string
	}{
		"another rubric":  {&event.QASheet{Rubric: "standard@9"}, `/rubric: "standard@9" is not standard@1`},
		"nothing":         {&event.QASheet{Rubric: r.ID()}, "/checks: norm.opening is not answered"},
		"unknown":         {&event.QASheet{Rubric: r.ID(), Checks: []*event.QACheck{{Id: "x", Answer: "yes"}}}, `/checks/0/id: "x" is not asked by standard@1`},
		"twice":           {&event.QASheet{Rubric: r.ID(), Checks: []*event.QACheck{{Id: "norm.time", Answer: "yes"}, {Id: "norm.time", Answer: "no"}}}, `/checks/1/id: "norm.time" is answered twice`},
		"not an answer":   {&event.QASheet{Rubric: r.ID(), Checks: []*event.QACheck{{Id: "norm.attitude", Answer: "na"}}}, `/checks/0/answer: "na" is not one of [yes partial no]`},
		"no standards":    {&event.QASheet{Rubric: r.ID(), Sale: true}, "ELIG-01 is not answered, and the call closed a sale"},
		"before the call": {&event.QASheet{Rubric: r.ID(), Markers: []*event.QAMarker{{AtMs: -1}}}, "/markers/0/at_ms: -1 is before the beginning"},
	} {
		_, problems := Score(r, x.sheet)
		var all []string
		for _, p := range problems {
			all = append(all, p.Error())
		}
		if !strings.Contains(strings.Join(all, "\n"), x.want) {
			t.Errorf("%s: %q, want %q", name, all, x.want)
		}
	}
}

// Whatever is answered: the score lies in 0..100, a fatal makes it 0, and a better answer never makes it worse.
func TestScoreProperties(t *testing.T) {
	r := standard(t)
	rapid.Check(t, func(t *rapid.T) {
		sale := rapid.Bool().Draw(t, "sale")
		changed := map[string]string{}
		for _, sec := range r.Sections {
			for _, c := range sec.Checkpoints {
				changed[c.ID] = rapid.SampledFrom(c.Answers).Draw(t, c.ID)
			}
		}
		for _, x := range r.Taboos {
			changed[x.ID] = rapid.SampledFrom([]string{Yes, No}).Draw(t, x.ID)
		}
		got, _ := Score(r, sheet(r, sale, changed))
		if got.Score < 0 || got.Score > 100 || got.Fatal && got.Score != 0 || got.Passed != (got.Score >= PassMark && !got.Fatal) {
			t.Fatalf("score %v, fatal %v, passed %v", got.Score, got.Fatal, got.Passed)
		}
		for id, a := range changed {
			if a == No && !strings.HasPrefix(id, "taboo.") {
				changed[id] = Yes
				if better, _ := Score(r, sheet(r, sale, changed)); better.Score < got.Score {
					t.Fatalf("%s answered yes: %v instead of %v", id, better.Score, got.Score)
				}
				return
			}
		}
	})
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	const good = `rubric: mine
version: 2
sections:
  - id: a
    title: {en: A}
    weight: 100
    checkpoints:
      - {id: a.1, title: {en: One}}
tariff:
  - {id: f, title: {en: Fine}, amount: 50, when: [a.1]}
`
	if r, err := Parse("mine.yaml", []byte(good)); err != nil || r.ID() != "mine@2" {
		t.Fatal(r, err)
	}
	for old, x := range map[string][2]string{
		"weight: 100":     {"weight: 90", "mine.yaml:4:3: sections: the weights sum to 90, expected 100"},
		"version: 2":      {"version: 0", "mine.yaml:2:10: version: 0: expected 1 or more"},
		"rubric: mine":    {"rubrik: mine", `mine.yaml:1:1: unknown field "rubrik"`},
		"id: a.1":         {"id: a", `mine.yaml:8:14: sections[0].checkpoints[0].id: "a" is there twice`},
		"{en: One}":       {"{fr: Un}", "sections[0].checkpoints[0].title: expected a wording in en or zh"},
		"[a.1]":           {"[a.2]", `mine.yaml:10:51: tariff[0].when[0]: "a.2" is neither an id above nor one of fatal, zero, invalid_sale, taboo; did you mean "a.1"?`},
		"amount: 50":      {"amount: many", "mine.yaml:10:40: "},
		"title: {en: A}":  {"title: A", "mine.yaml:5:12: "},
		"weight: 100\n":   {"weight: .nan\n", "weight: NaN: expected 0.01 to 100"},
		"sections:\n":     {"partial: 2\nsections:\n", "mine.yaml:3:10: partial: 2: expected 0 to 1"},
		"{id: a.1, title": {"{id: a.1, answers: [maybe], title", `"maybe" is not one of yes, partial, no, na`},
		"tariff:":         {"tariff: [", "mine.yaml:"},
	} {
		_, err := Parse("mine.yaml", []byte(strings.Replace(good, old, x[0], 1)))
		if err == nil || !strings.Contains(err.Error(), x[1]) {
			t.Errorf("%s: %v\nwant %s", x[0], err, x[1])
		}
	}
	for _, src := range []string{"", "---\n---\n", "[]", "a: b: c", "x", strings.Repeat(" ", maxSource+1)} {
		if _, err := Parse("x", []byte(src)); err == nil {
			t.Errorf("%.10q is taken", src)
		}
	}
}

// FuzzParse: whatever bytes come, reading ends with an error or a rubric under which a sheet can be scored.
func FuzzParse(f *testing.F) {
	b, err := shipped.ReadFile("rubrics/standard.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("rubric: a\nversion: 1\nsections: [{id: a, title: {en: A}, weight: 100, checkpoints: [{id: b, title: {zh: B}}]}]"))
	f.Add([]byte("rubric: *a\nsections: &a [{}]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Parse("f", src)
		if err != nil {
			return
		}
		got, problems := Score(r, sheet(r, true, nil))
		if got.Score < 0 || got.Score > 100 || len(problems) > 0 {
			t.Fatalf("%v %v", got.Score, problems)
		}
	})
}
