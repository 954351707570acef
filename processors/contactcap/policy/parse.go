package policy

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

//go:embed presets/*.yaml
var presets embed.FS

// Presets lists the shipped policies.
func Presets() []string {
	files, _ := fs.Glob(presets, "presets/*.yaml")
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	return files
}

// Load reads a preset by name, or a file.
func Load(nameOrFile string) (*Policy, error) {
	src, where, err := open(nameOrFile, "")
	if err != nil {
		return nil, err
	}
	return Parse(where, src)
}

// open finds a preset, else a file, beside another where it is relative.
func open(name, beside string) ([]byte, string, error) {
	if !strings.ContainsAny(name, `/\`) {
		if b, err := presets.ReadFile("presets/" + name + ".yaml"); err == nil {
			return b, name, nil
		}
	}
	tries := []string{name}
	if beside != "" && !filepath.IsAbs(name) {
		tries = []string{filepath.Join(beside, name), filepath.Join(beside, name+".yaml")}
	}
	for _, f := range tries {
		if b, err := os.ReadFile(f); err == nil {
			return b, f, nil
		}
	}
	return nil, "", fmt.Errorf("policy %q is neither a preset (%s) nor a file that can be read", name, strings.Join(Presets(), ", "))
}

// Parse reads a policy; where is its name in errors and the place beside which it extends others.
func Parse(where string, src []byte) (*Policy, error) {
	d, err := draft(where, src, nil)
	if err != nil {
		return nil, err
	}
	p := &Policy{Name: d.name, Version: d.version, Zone: d.zone}
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	for _, r := range d.rules {
		if r.rule != nil {
			p.Rules = append(p.Rules, r.rule)
		}
	}
	return p, nil
}

// drafted is a policy before disabled rules are left out.
type drafted struct {
	name    string
	version int
	zone    *time.Location
	rules   []draftedRule
}

type draftedRule struct {
	id   string
	rule *Rule // nil = disabled
}

func draft(where string, src []byte, chain []string) (*drafted, error) {
	r := &reader{where: where}
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		return nil, r.syntax(err)
	}
	chain = append(chain, where)
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			if body != nil {
				return nil, r.at(doc.Body, "expected one document")
			}
			body = doc.Body
		}
	}
	if body == nil {
		return nil, fmt.Errorf("%s:1:1: the policy is empty", where)
	}
	m := r.mapping(body, "a policy")
	d := &drafted{version: 1}
	if n := m.take("policy"); n != nil {
		d.name = r.text(n)
	} else if m != nil {
		r.fail(body, "policy: a name is missing")
	}
	if n := m.take("version"); n != nil {
		d.version = r.integer(n, 1, 1<<30)
	}
	if n := m.take("extends"); n != nil {
		base, at, err := open(r.text(n), filepath.Dir(where))
		switch {
		case err != nil:
			r.fail(n, err.Error())
		case slices.Contains(chain, at):
			r.fail(n, "extends itself: "+strings.Join(append(chain, at), " -> "))
		default:
			b, err := draft(at, base, chain)
			if err != nil {
				return nil, err
			}
			d.zone, d.rules = b.zone, b.rules
		}
	}
	if n := m.take("time_zone"); n != nil {
		z, err := time.LoadLocation(r.text(n))
		if err != nil || r.text(n) == "" || r.text(n) == "Local" {
			r.fail(n, "is not a time zone such as Asia/Shanghai")
		}
		d.zone = z
	}
	seen := map[string]bool{}
	if n := m.take("rules"); n != nil {
		for _, x := range r.sequence(n) {
			dr := r.rule(x)
			if dr.id == "" {
				continue
			}
			if seen[dr.id] {
				r.fail(x, fmt.Sprintf("rule %s stands twice", dr.id))
			}
			seen[dr.id] = true
			if i := slices.IndexFunc(d.rules, func(o draftedRule) bool { return o.id == dr.id }); i >= 0 {
				d.rules[i] = dr
			} else {
				d.rules = append(d.rules, dr)
			}
		}
	}
	m.end()
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return d, nil
}

// rule reads one rule.
func (r *reader) rule(n ast.Node) draftedRule {
	m := r.mapping(n, "a rule")
	if m == nil {
		return draftedRule{}
	}
	rule := &Rule{}
	if x := m.take("id"); x != nil {
		rule.ID = r.text(x)
	}
	if rule.ID == "" {
		r.fail(n, "id: every rule needs one")
	}
	if x := m.take("name"); x != nil {
		rule.Name = r.text(x)
	}
	enabled := true
	if x := m.take("enabled"); x != nil {
		enabled = r.boolean(x)
	}
	if x := m.take("when"); x != nil {
		rule.When = r.when(x)
	}
	if x := m.take("per"); x != nil {
		rule.Per = Per(r.oneOf(x, "customer", "product", "campaign", "number"))
	}
	kinds := 0
	kind := func(name string, k Kind) ast.Node {
		x := m.take(name)
		if x != nil {
			kinds++
			rule.Kind = k
		}
		return x
	}
	if x := kind("limit", Limit); x != nil {
		rule.N = r.integer(x, 0, 1<<30)
		if c := m.take("count"); c != nil {
			rule.Event = r.filter(c)
		} else if rule.N > 0 {
			r.fail(n, "count: what is counted is missing")
		}
		if w := m.take("in"); w != nil {
			rule.In = r.window(w)
		} else if rule.N > 0 {
			r.fail(n, "in: the window is missing, such as {rolling: 12mo}")
		}
	}
	if x := kind("gap", Gap); x != nil {
		rule.Gap = r.span(x)
		if c := m.take("since"); c != nil {
			rule.Event = r.filter(c)
		} else {
			r.fail(n, "since: what is waited for is missing")
		}
	}
	if x := kind("never_after", NeverAfter); x != nil {
		rule.N = r.integer(x, 1, 1<<30)
		if c := m.take("of"); c != nil {
			rule.Event = r.filter(c)
		} else {
			r.fail(n, "of: what is counted is missing")
		}
	}
	if x := kind("hours", Hours); x != nil {
		rule.Hours = r.hours(x)
		if h := m.take("holidays"); h != nil {
			rule.Holidays = r.dates(h)
		}
	}
	if x := kind("list", List); x != nil {
		rule.List = r.text(x)
	}
	if x := kind("require", Require); x != nil {
		r.require(x, rule)
	}
	if kinds != 1 {
		r.fail(n, fmt.Sprintf("rule %s: expected exactly one of limit, gap, never_after, hours, list, require", rule.ID))
	}
	m.end()
	if !enabled {
		return draftedRule{id: rule.ID}
	}
	return draftedRule{rule.ID, rule}
}

var purposeWords = []string{"sales", "retention", "care", "survey", "new_customer_followup", "complaint_followup", "new_business_followup",
	"arrears", "notification", "data_check", "confirmation"}

// purposes reads purposes; marketing means sales or retention.
func (r *reader) purposes(n ast.Node) []string {
	var out []string
	for _, p := range r.texts(n) {
		switch {
		case p == "marketing":
			out = append(out, "sales", "retention")
		case slices.Contains(purposeWords, p):
			out = append(out, p)
		default:
			r.fail(n, fmt.Sprintf("%q is not a purpose%s", p, suggestion(p, append(purposeWords, "marketing"))))
		}
	}
	return out
}

func (r *reader) when(n ast.Node) When {
	var w When
	m := r.mapping(n, "conditions")
	if x := m.take("segment"); x != nil {
		w.Segment = r.words(x, "public", "vip", "corporate")
	}
	if x := m.take("purpose"); x != nil {
		w.Purpose = r.purposes(x)
	}
	for _, f := range []struct {
		name string
		into *[]string
	}{{"campaign", &w.Campaign}, {"group", &w.Group}, {"plan", &w.Plan}, {"tariff", &w.Tariff}, {"partner", &w.Partner}, {"region", &w.Region}, {"product", &w.Product}} {
		if x := m.take(f.name); x != nil {
			*f.into = r.texts(x)
		}
	}
	if x := m.take("guaranteed_agent"); x != nil {
		b := r.boolean(x)
		w.GuaranteedAgent = &b
	}
	m.end()
	return w
}

// filter reads an event: a word, or {call: {...}}.
func (r *reader) filter(n ast.Node) Filter {
	f := Filter{Text: strings.TrimSpace(n.String())}
	if s, ok := n.(*ast.StringNode); ok {
		switch s.Value {
		case "call":
			f.Event = Call
			f.Direction = []string{"outbound"}
		case "refusal":
			f.Event = Refusal
		case "cancellation":
			f.Event = Cancellation
		case "complaint":
			f.Event = Complaint
		case "conversation":
			f.Event, f.Bridged, f.AnyDirection, f.AnsweredBy = Call, true, true, []string{"human"}
		default:
			r.fail(n, fmt.Sprintf("%q cannot be counted; expected call, refusal, cancellation, complaint or conversation", s.Value))
		}
		return f
	}
	outer := r.mapping(n, "an event such as {call: {purpose: [marketing]}}")
	f.Event = Call
	f.Direction = []string{"outbound"}
	c := outer.take("call")
	if c == nil {
		outer.end()
		if outer != nil {
			r.fail(n, "expected call, with its filter")
		}
		return f
	}
	if _, null := c.(*ast.NullNode); !null {
		m := r.mapping(c, "a filter of calls")
		if x := m.take("direction"); x != nil {
			f.Direction = r.words(x, "outbound", "inbound")
		}
		if x := m.take("purpose"); x != nil {
			f.Purpose = r.purposes(x)
		}
		if x := m.take("answered"); x != nil {
			b := r.boolean(x)
			f.Answered = &b
		}
		if x := m.take("answered_by"); x != nil {
			f.AnsweredBy = r.words(x, "human", "machine", "fax", "unknown")
		}
		if x := m.take("outcome"); x != nil {
			f.Outcome = r.words(x, "answered", "no_answer", "busy", "rejected", "forwarded", "unavailable", "invalid_number", "failed", "cancelled", "abandoned")
		}
		if x := m.take("campaign"); x != nil {
			f.CampaignIDs = r.texts(x)
		}
		m.end()
	}
	outer.end()
	return f
}

func (r *reader) window(n ast.Node) Window {
	var w Window
	m := r.mapping(n, "a window such as {rolling: 12mo} or {calendar: day}")
	ways := 0
	if x := m.take("rolling"); x != nil {
		w.Rolling = r.span(x)
		ways++
	}
	if x := m.take("calendar"); x != nil {
		w.Calendar = []string{"day", "week", "month", "year"}[r.oneOf(x, "day", "week", "month", "year")]
		ways++
	}
	m.end()
	if m != nil && ways != 1 {
		r.fail(n, "expected one of rolling and calendar")
	}
	return w
}

var spanForm = regexp.MustCompile(`^([0-9]{1,6})(s|m|h|d|w|mo|y)$`)

// span reads 90s 15m 24h 30d 2w 3mo 1y.
func (r *reader) span(n ast.Node) Span {
	s := r.text(n)
	m := spanForm.FindStringSubmatch(s)
	if m == nil {
		r.fail(n, fmt.Sprintf("%q is not a duration such as 90s, 15m, 24h, 30d, 2w, 3mo or 1y", s))
		return Span{}
	}
	v, _ := strconv.Atoi(m[1])
	if v == 0 {
		r.fail(n, "the duration is 0")
	}
	switch m[2] {
	case "mo":
		return Span{Months: v, Text: s}
	case "y":
		return Span{Months: 12 * v, Text: s}
	}
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
	return Span{MS: int64(v) * unit.Milliseconds(), Text: s}
}

func (r *reader) hours(n ast.Node) []Open {
	var out []Open
	days := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	for _, x := range r.sequence(n) {
		m := r.mapping(x, "a span such as {days: [mon], from: \"08:00\", to: \"21:00\"}")
		var o Open
		if d := m.take("days"); d != nil {
			for _, w := range r.words(d, days...) {
				o.Days[slices.Index(days, w)] = true
			}
		} else if m != nil {
			r.fail(x, "days: missing")
		}
		o.From, o.To = r.clock(m.take("from"), x, false), r.clock(m.take("to"), x, true)
		if m != nil && o.From >= o.To {
			r.fail(x, "from is not before to (a span may not cross midnight; \"24:00\" is the day's end)")
		}
		m.end()
		out = append(out, o)
	}
	return out
}

var clockForm = regexp.MustCompile(`^([01][0-9]|2[0-4]):([0-5][0-9])$`)

func (r *reader) clock(n, parent ast.Node, end bool) int64 {
	if n == nil {
		r.fail(parent, "from and to are needed")
		return 0
	}
	m := clockForm.FindStringSubmatch(r.text(n))
	if m == nil {
		r.fail(n, fmt.Sprintf("%q is not a time of day such as \"08:00\"", r.text(n)))
		return 0
	}
	h, _ := strconv.ParseInt(m[1], 10, 64)
	min, _ := strconv.ParseInt(m[2], 10, 64)
	if h == 24 && (min > 0 || !end) {
		r.fail(n, "only \"24:00\" as the end of a span is later than 23:59")
	}
	return (h*60 + min) * 60_000
}

// dates reads holidays, or a single one, into days since 1970.
func (r *reader) dates(n ast.Node) map[int64]bool {
	out := map[int64]bool{}
	days := []ast.Node{n}
	if s, ok := unwrap(n).(*ast.SequenceNode); ok {
		days = s.Values
	}
	for _, x := range days {
		t, err := time.Parse(time.DateOnly, r.text(unwrap(x)))
		if err != nil {
			r.fail(x, "is not a date such as 2026-10-01")
			continue
		}
		out[t.Unix()/86400] = true
	}
	return out
}

func (r *reader) require(n ast.Node, rule *Rule) {
	m := r.mapping(n, "what is required")
	if x := m.take("plan"); x != nil {
		rule.NeedPlan, rule.Plan = true, r.texts(x)
		if slices.Contains(rule.Plan, "any") {
			rule.Plan = nil
		}
	}
	if x := m.take("recording"); x != nil {
		rule.Recording = r.boolean(x)
	}
	if x := m.take("list"); x != nil {
		rule.OnList = r.text(x)
	}
	if x := m.take("caller_id"); x != nil {
		rule.NeedCaller, rule.CallerIDs = true, r.texts(x)
	}
	m.end()
	if m != nil && !rule.NeedPlan && !rule.Recording && rule.OnList == "" && !rule.NeedCaller {
		r.fail(n, "expected at least one of plan, recording, list, caller_id")
	}
}
