package console

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/internal/locales"
	"github.com/ringfence/ringfence/internal/rubric"
)

// refusers are the files that refuse what a page asks for.
var refusers = []string{"../internal/qarules/*.go", "../internal/qadesk/*.go", "../processors/qa/*.go", "../internal/rubric/score.go", "../internal/app/*.go"}

// unshown are the codes of refusals whose sentence no page shows: it says what the status means.
var unshown = []string{"Forbidden", "NotFound", "Expired"}

// refusing are the functions that make refusals: which argument is the code (-1 = none) and which the sentence.
var refusing = map[string][2]int{"no": {0, 1}, "refuse": {0, 1}, "wrong": {-1, 1}, "bad": {-1, 1}}

var verb = regexp.MustCompile(`%[a-z]`)

// example is a sentence as it may be said: a format with something in the place of its verbs.
func example(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		a, ok := example(x.X)
		b, also := example(x.Y)
		if !also {
			b = "another"
		}
		return a + b, ok
	case *ast.CallExpr:
		if sel, ok := x.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sprintf" {
			s, ok := example(x.Args[0])
			return verb.ReplaceAllString(s, "claimed"), ok
		}
	}
	return "", false
}

// sentences are those that a file's refusals say.
func sentences(f *ast.File) []string {
	var out []string
	last := func(e ast.Expr) string {
		if s, ok := e.(*ast.SelectorExpr); ok {
			return s.Sel.Name
		}
		if i, ok := e.(*ast.Ident); ok {
			return i.Name
		}
		return ""
	}
	add := func(code, sentence ast.Expr) {
		if slices.Contains(unshown, last(code)) {
			return
		}
		if s, ok := example(sentence); ok {
			out = append(out, verb.ReplaceAllString(s, "claimed"))
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CallExpr:
			if at, ok := refusing[last(x.Fun)]; ok && len(x.Args) > at[1] {
				var code ast.Expr
				if at[0] >= 0 {
					code = x.Args[at[0]]
				}
				add(code, x.Args[at[1]])
			}
		case *ast.CompositeLit:
			switch last(x.Type) {
			case "badCommand":
				add(nil, x.Elts[1])
			case "Refusal":
				var code, sentence ast.Expr
				for _, e := range x.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						switch last(kv.Key) {
						case "Code":
							code = kv.Value
						case "Detail":
							sentence = kv.Value
						}
					}
				}
				add(code, sentence)
			}
		}
		return true
	})
	return out
}

func speaking(t *testing.T) *console {
	t.Helper()
	c := &console{}
	var err error
	if c.locales, err = loadLocales(locales.Files); err != nil {
		t.Fatal(err)
	}
	if c.refusals, err = loadSentences(c.locales[0], "refusal"); err != nil {
		t.Fatal(err)
	}
	if c.told, err = loadSentences(c.locales[0], "told"); err != nil {
		t.Fatal(err)
	}
	return c
}

// sources are the program's files of a pattern, without its tests.
func sources(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(src)
	}
	if len(out) == 0 {
		t.Fatalf("there is nothing at %s", pattern)
	}
	return out
}

// Every sentence that says why something a page asked for was refused is in the message files, and every message there is
// still said by somebody.
func TestRefusalsHaveMessages(t *testing.T) {
	c := speaking(t)
	unsaid := map[string]bool{}
	for _, x := range c.refusals {
		unsaid[x.id] = true
	}
	for _, pattern := range refusers {
		for name, src := range sources(t, pattern) {
			f, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sentences(f) {
				i := slices.IndexFunc(c.refusals, func(x sentence) bool { return x.said.MatchString(s) })
				if i < 0 {
					t.Errorf("%s: no message says %q", name, s)
					continue
				}
				delete(unsaid, c.refusals[i].id)
				for _, l := range c.locales {
					if got := c.because(l, s); got == "" || l != c.locales[0] && !regexp.MustCompile(`\p{Han}`).MatchString(got) {
						t.Errorf("%s: %q in %s is %q", name, s, l.Tag, got)
					}
				}
			}
		}
	}
	for id := range unsaid {
		t.Errorf("nobody says %s any more", id)
	}
}

// What the watch tells of an incident, and what was done about it, has messages: whatever stands between the verbs of its
// formats is in one of them.
func TestWatchHasMessages(t *testing.T) {
	c := speaking(t)
	var all strings.Builder
	for _, x := range c.told {
		all.WriteString(c.locales[0].texts[x.id] + "\n")
	}
	telling := regexp.MustCompile(`(?m)(?:Detail|Done|detail) (?::=|=|\+=) (.*)$`)
	literal := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	n := 0
	for name, src := range sources(t, "../processors/complaint/*.go") {
		for _, m := range telling.FindAllStringSubmatch(src, -1) {
			for _, lit := range literal.FindAllString(m[1], -1) {
				text, err := strconv.Unquote(lit)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(text, " ") || text == "2006-01-02 15:04" {
					continue // a word of the machine's, or a layout
				}
				for _, part := range regexp.MustCompile(`%\.?[0-9]*[a-z]`).Split(strings.ReplaceAll(text, "%%", "%"), -1) {
					if part = strings.TrimSpace(part); len(part) < 8 {
						continue
					}
					n++
					if !strings.Contains(all.String(), part) {
						t.Errorf("%s: no message says %q", name, part)
					}
				}
			}
		}
	}
	if n < 20 {
		t.Fatalf("%d sentences were found: the pattern is wrong", n)
	}
}

func TestTelling(t *testing.T) {
	c := speaking(t)
	zh := c.locales[1]
	for said, want := range map[string]string{
		"0 complaints in 4 h, 2.3 were to be expected: nothing special any more": "4 h 内投诉 0 起，预期 2.3 起：已无异常",
		"11 complaints in 4 h on 602 connected calls; 1.1 were to be expected (1.79 per 1,000 calls before, 18.27 now); 9 of them about agent-3; chance alone does this less than 0.0001 times a year, over all that is watched": "4 h 内接通 602 通，投诉 11 起，预期 1.1 起（每千通 18.27 起，此前 1.79 起）；其中 9 起涉及 agent-3；在所有监测对象上，这样的情形每年偶然出现 < 0.0001 次",
		"connect rate of the hour: 12.0 % (12 of 100), usually 40.0 %; chance alone does this 0.4 times a year, over all that is watched":                                                                                        "接通率：该小时为 12.0 %（12 / 100），通常为 40.0 %；在所有监测对象上，这样的情形每年偶然出现 0.4 次",
		"the campaign is dialled at half pace until this is over": "在此结束之前，活动以一半速度拨打",
		"what somebody wrote": "what somebody wrote",
	} {
		if got := c.telling(zh, said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
		if got := c.telling(c.locales[0], said); got != said {
			t.Errorf("%q is %q in English", said, got)
		}
	}
}

func TestBecause(t *testing.T) {
	c := speaking(t)
	c.opt.QA = &QA{Rubrics: []*rubric.Rubric{{Name: "r", Version: 1, Sections: []rubric.Section{{ID: "s", Checkpoints: []rubric.Checkpoint{{ID: "greeting", Title: rubric.Text{"en": "Greets", "zh": "问候客户"}}}}}}}}
	en, zh := c.locales[0], c.locales[1]
	for _, x := range []struct {
		l          *locale
		said, want string
	}{
		{zh, "the task is scored, not open", "该任务已评分，并非待领取"},
		{en, "the task is scored, not open", "the task is scored, not open"},
		{zh, "greeting is not answered; farewell is not answered, and the call closed a sale", "“问候客户”尚未填写；“farewell”尚未填写，而该通话已成交"},
		{en, `greeting is not answered; "farewell" is answered twice`, "Greets is not answered; farewell is answered twice"},
		{zh, "the claim ran out or was released: claim the task again; what was entered is kept", "领取已过期或已退回：请重新领取，已填写的内容会保留"},
		{zh, "you hold 5 tasks, and 5 is the most: finish or release one", "您已领取 5 条任务，最多可领取 5 条：请先完成或退回一条"},
		{zh, "what nobody has translated", ""},
		{en, "what nobody has translated", "what nobody has translated"},
	} {
		if got := c.because(x.l, x.said); got != x.want {
			t.Errorf("%q in %s is %q, want %q", x.said, x.l.Tag, got, x.want)
		}
	}
}

// A page or a script that names the messages of a status finds them.
func TestStatusesHaveMessages(t *testing.T) {
	c := speaking(t)
	status := regexp.MustCompile(`\bc\.(?:fail|failAs|unheard)\(w, r, http\.Status([A-Za-z]+)(?:, "([a-z0-9.]*)")?`)
	codes := map[string]int{"BadRequest": 400, "Unauthorized": 401, "Forbidden": 403, "NotFound": 404, "Conflict": 409, "RequestEntityTooLarge": 413, "UnsupportedMediaType": 415, "UnprocessableEntity": 422,
		"InternalServerError": 500, "NotImplemented": 501, "ServiceUnavailable": 503}
	n := 0
	for name, src := range sources(t, "*.go") {
		for _, m := range status.FindAllStringSubmatch(src, -1) {
			n++
			want := []string{fmt.Sprint("problem.status", codes[m[1]])}
			switch {
			case strings.Contains(m[0], "failAs"):
				want = append(want, m[2])
			case strings.Contains(m[0], "unheard"):
				want = append(want, "script."+m[2])
			default:
				want = append(want, fmt.Sprint("problem.detail", codes[m[1]]))
			}
			for _, id := range want {
				if c.locales[0].texts[id] == "" {
					t.Errorf("%s: %s names the message %s, which nobody wrote", name, m[0], id)
				}
			}
		}
	}
	if n == 0 {
		t.Fatal("no failure is answered anywhere: the pattern is wrong")
	}
}
