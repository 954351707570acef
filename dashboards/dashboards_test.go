package dashboards

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/processors/kpi"
)

var update = flag.Bool("update", false, "write testdata anew")

const zone = "Asia/Shanghai"

// What is committed in deploy is what this code makes.
func TestExportIsCommitted(t *testing.T) {
	for lang, dir := range map[Lang]string{English: "dashboards", Chinese: "dashboards-zh"} {
		dir = filepath.Join("..", "deploy", "grafana", dir)
		var want []string
		for _, d := range All() {
			got, err := Grafana(d, zone, lang)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Grafana(d, zone, lang)
			if err != nil || string(again) != string(got) {
				t.Errorf("%s: two exports differ: %v", d.UID, err)
			}
			file := d.GrafanaUID(lang) + ".json"
			want = append(want, file)
			committed, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || string(committed) != string(got) {
				t.Errorf("%s is not what the code makes: run make generate (%v)", filepath.Join(dir, file), err)
			}
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !slices.Contains(want, f.Name()) {
				t.Errorf("%s/%s is no dashboard of ours", dir, f.Name())
			}
		}
	}
}

// Uids and panel ids are a promise to links: a change shows up in this file.
func TestIDsStay(t *testing.T) {
	var b strings.Builder
	for _, d := range All() {
		seen := map[uint32]string{}
		for _, p := range d.Panels() {
			if other, twice := seen[p.ID()]; twice {
				t.Errorf("%s: panels %q and %q have the id %d", d.UID, other, p.Key(), p.ID())
			}
			seen[p.ID()] = p.Key()
			fmt.Fprintf(&b, "%s %d %s\n", d.UID, p.ID(), p.Key())
		}
	}
	file := filepath.Join("testdata", "ids.golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("ids changed (go test ./dashboards -update if that is meant):\n%s", diff)
	}
}

func TestEveryMetricIsShown(t *testing.T) {
	for _, m := range kpi.Catalogue() {
		shown := slices.ContainsFunc(All(), func(d Dashboard) bool {
			return slices.ContainsFunc(d.Panels(), func(p Panel) bool { return slices.Contains(p.Metrics, m.Name) })
		})
		if !shown {
			t.Errorf("metric %s is on no dashboard", m.Name)
		}
		if metricZH()[m.Name] == "" {
			t.Errorf("metric %s has no Chinese title: add it to text.go", m.Name)
		}
	}
	for name := range metricZH() {
		if _, ok := kpi.Find(name); !ok {
			t.Errorf("text.go names %s, which is no metric", name)
		}
	}
}

func TestTexts(t *testing.T) {
	check := func(where string, x Text) {
		if x.EN == "" || x.ZH == "" {
			t.Errorf("%s has no title in one language: %+v", where, x)
		}
		if strings.IndexFunc(x.EN, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0 {
			t.Errorf("%s: English title %q", where, x.EN)
		}
	}
	for _, d := range All() {
		check(d.UID, d.Title)
		check(d.UID, d.Question)
		for _, r := range d.Rows {
			check(d.UID, r.Title)
			width := uint32(0)
			for _, p := range r.Panels {
				check(d.UID+" "+p.Key(), p.Title)
				width += p.Width
				if p.Width == 0 || p.Width > 24 || p.Height == 0 {
					t.Errorf("%s %s: %d wide, %d high", d.UID, p.Key(), p.Width, p.Height)
				}
				if d.Describe(p, English) == "" {
					t.Errorf("%s %s: no description", d.UID, p.Key())
				}
				for _, name := range p.Metrics {
					m, _ := kpi.Find(name)
					if about := d.Describe(p, English); !strings.Contains(about, m.Meaning) || !strings.Contains(about, m.Source) {
						t.Errorf("%s %s: the description lacks the definition or the source of %s: %s", d.UID, p.Key(), name, about)
					}
				}
			}
		}
	}
}

// The SDK's types are made from Grafana's published schemas; unmarshalling them strictly refuses a field, a type or a
// panel option the schema does not know. `make schema` checks against the types of Grafana's own npm package as well.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	current := []string{"row", "stat", "timeseries", "table", "bargauge"} // none of them deprecated: graph, singlestat, table-old are
	for _, d := range All() {
		for _, lang := range Langs() {
			b, err := Grafana(d, zone, lang)
			if err != nil {
				t.Fatal(err)
			}
			//lint:ignore SA1019 the classic schema is what every Grafana in the field imports and provisions
			var strict dashboard.Dashboard
			if err := strict.UnmarshalJSONStrict(b); err != nil && err.Error() != "" { // the SDK returns an empty list for none
				t.Errorf("%s: %v", d.GrafanaUID(lang), err)
			}
			if err := strict.Validate(); err != nil {
				t.Errorf("%s: %v", d.GrafanaUID(lang), err)
			}
			var loose struct {
				Panels []struct {
					ID          uint32
					Type, Title string
					GridPos     struct{ X, Y, W, H int }
					Targets     []struct{ RawSQL, Expr string }
				}
				Templating struct {
					List []struct{ Name, Query string }
				}
			}
			if err := json.Unmarshal(b, &loose); err != nil {
				t.Fatal(err)
			}
			type spot struct{ x, y int }
			taken := map[spot]string{}
			ids := map[uint32]bool{}
			for _, p := range loose.Panels {
				if !slices.Contains(current, p.Type) {
					t.Errorf("%s: panel %q is a %s", d.UID, p.Title, p.Type)
				}
				if ids[p.ID] || p.ID == 0 {
					t.Errorf("%s: id %d stands twice", d.UID, p.ID)
				}
				ids[p.ID] = true
				for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
					for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
						if other := taken[spot{x, y}]; other != "" || x >= 24 {
							t.Fatalf("%s: panels %q and %q lie on each other or beside the page", d.UID, other, p.Title)
						}
						taken[spot{x, y}] = p.Title
					}
				}
				if p.Type != "row" && (len(p.Targets) == 0 || p.Targets[0].RawSQL == "" && p.Targets[0].Expr == "") {
					t.Errorf("%s: panel %q asks nothing", d.UID, p.Title)
				}
			}
		}
	}
}

// Every variable of a query is one the dashboard has, in every dashboard.
func TestVariablesAreThere(t *testing.T) {
	name := regexp.MustCompile(`\$\{([a-z]+):`)
	for _, d := range All() {
		for _, p := range d.Panels() {
			q, err := d.Query(p, zone)
			if err != nil {
				t.Fatalf("%s %s: %v", d.UID, p.Key(), err)
			}
			for _, m := range name.FindAllStringSubmatch(q.SQL, -1) {
				if !d.has(m[1]) {
					t.Errorf("%s %s uses $%s, which the dashboard has not", d.UID, p.Key(), m[1])
				}
			}
		}
	}
}

func TestExpand(t *testing.T) {
	r := Range{time.UnixMilli(1000), time.UnixMilli(2000)}
	for _, x := range []struct{ name, sql, want string }{
		{"all", "$__conditionalAll(a IN (${a:sqlstring}), $a) AND 1", "1=1 AND 1"},
		{"one", "$__conditionalAll(b IN (${b:sqlstring}), $b)", "b IN ('x')"},
		{"several", "$__conditionalAll(hasAny(f(c), [${c:sqlstring}]), $c)", `hasAny(f(c), ['y','it\'s'])`},
		{"nested", "$__conditionalAll(x OR $__conditionalAll(b = ${b:sqlstring}, $b), $a)", "1=1"},
		{"range", "t >= $__fromTime_ms AND t < $__toTime_ms", "t >= fromUnixTimestamp64Milli(1000) AND t < fromUnixTimestamp64Milli(2000)"},
	} {
		got, err := Expand(x.sql, Values{"b": {"x"}, "c": {"y", "it's"}}, r)
		if err != nil || got != x.want {
			t.Errorf("%s: %q, %v; want %q", x.name, got, err, x.want)
		}
	}
	for _, sql := range []string{"$__timeFilter(at)", "$__conditionalAll(a", "$__conditionalAll(a)", "${x:csv}", "$other"} {
		if got, err := Expand(sql, nil, r); err == nil {
			t.Errorf("%s became %s", sql, got)
		}
	}
}

// FuzzExpand: whatever stands in a value, the statement around it stays what it was.
func FuzzExpand(f *testing.F) {
	f.Add("x", "y")
	f.Add(`'`, `\`)
	f.Add(`\'); DROP TABLE calls --`, "${b:sqlstring}")
	f.Add("$__fromTime_ms", "$__conditionalAll(")
	f.Fuzz(func(t *testing.T, a, b string) {
		const sql = "SELECT 1 WHERE $__conditionalAll(a IN (${a:sqlstring}), $a) AND $__conditionalAll(b IN (${b:sqlstring}), $b)"
		got, err := Expand(sql, Values{"a": {a}, "b": {b}}, Range{time.UnixMilli(0), time.UnixMilli(1)})
		if err != nil {
			t.Fatal(err)
		}
		outside, inside := "", []string{}
		for i := 0; i < len(got); i++ { // as ClickHouse reads literals
			if got[i] != '\'' {
				outside += string(got[i])
				continue
			}
			var text []byte
			for i++; i < len(got) && got[i] != '\''; i++ {
				if got[i] == '\\' && i+1 < len(got) {
					i++
					if got[i] == '0' {
						text = append(text, 0)
						continue
					}
				}
				text = append(text, got[i])
			}
			inside = append(inside, string(text))
		}
		if outside != "SELECT 1 WHERE a IN () AND b IN ()" || !reflect.DeepEqual(inside, []string{a, b}) {
			t.Errorf("%q and %q became %s", a, b, got)
		}
	})
}

func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.Int64Range(int64(time.Minute), int64(5*365*24*time.Hour)).Draw(t, "span"))
		own := rapid.SampledFrom([]string{"hour", "day"}).Draw(t, "own")
		b := Bucket(own, span)
		length := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 31 * 24 * time.Hour}[b]
		if n := int(span / length); n > 121 {
			t.Fatalf("%v by %s are %d points", span, b, n)
		}
	})
}
