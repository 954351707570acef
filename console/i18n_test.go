package console

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/internal/locales"
)

// plural are the forms go-i18n knows: a map with only these is one message.
var plural = []string{"zero", "one", "two", "few", "many", "other"}

// flat is a message file as id and text.
func flat(prefix string, m map[string]any, out map[string]string) {
	forms := 0
	for k := range m {
		if slices.Contains(plural, k) {
			forms++
		}
	}
	if forms > 0 && forms == len(m) {
		s, _ := m["other"].(string)
		out[prefix] = s
		return
	}
	for k, v := range m {
		id := strings.TrimPrefix(prefix+"."+k, ".")
		switch x := v.(type) {
		case string:
			out[id] = x
		case map[string]any:
			flat(id, x, out)
		}
	}
}

var placeholder = regexp.MustCompile(`{{\s*\.([A-Za-z]+)\s*}}`)

func messagesOf(t *testing.T, tag string) map[string]string {
	t.Helper()
	b, err := locales.Files.ReadFile(tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%s: %v", tag, err)
	}
	out := map[string]string{}
	flat("", m, out)
	return out
}

// Every language has the same messages with the same parameters, and none is empty.
func TestLanguagesAreComplete(t *testing.T) {
	first := messagesOf(t, localeNames[0].tag)
	for _, l := range localeNames[1:] {
		other := messagesOf(t, l.tag)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(other))); diff != "" {
			t.Errorf("messages of %s and %s differ:\n%s", localeNames[0].tag, l.tag, diff)
		}
		for id, s := range other {
			if strings.TrimSpace(s) == "" {
				t.Errorf("%s: %s is empty", l.tag, id)
			}
			names := func(text string) []string {
				var out []string
				for _, x := range placeholder.FindAllStringSubmatch(text, -1) {
					out = append(out, x[1])
				}
				slices.Sort(out)
				return slices.Compact(out)
			}
			if diff := cmp.Diff(names(first[id]), names(s)); diff != "" {
				t.Errorf("%s: the parameters of %s differ:\n%s", l.tag, id, diff)
			}
		}
	}
}

// A dashboard's page knows the words of its columns, and the names of rules, in the reader's language.
func TestTermsOfADashboard(t *testing.T) {
	d, ok := dashboards.Find("caps")
	if !ok {
		t.Fatal("there is no dashboard of caps")
	}
	v, err := d.In(dashboards.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	got, err := terms(v, dashboards.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string][2]string{"rule": {"CAP-01", "CAP-01 每年外呼次数"}, "status": {"orphaned", "已失联"}, "purpose": {"sales", "营销"}, "": {"committed", "已提交"}} {
		if text := got[column][want[0]]; text != want[1] {
			t.Errorf("%s of column %q is called %q, want %q", want[0], column, text, want[1])
		}
	}
	if _, there := got["outcome"]; there {
		t.Error("the page knows the words of a column it does not have")
	}
}

var called = regexp.MustCompile(`\bt "([a-z0-9_.]+)"`)

// Every message a template names exists.
func TestTemplatesNameMessages(t *testing.T) {
	have := messagesOf(t, "en")
	n := 0
	err := fs.WalkDir(files, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(path)
		for _, x := range called.FindAllStringSubmatch(string(b), -1) {
			n++
			if _, ok := have[x[1]]; !ok {
				t.Errorf("%s names the message %s, which nobody wrote", path, x[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatal("no message is named anywhere: the pattern is wrong")
	}
}

func TestChosenLanguage(t *testing.T) {
	all, err := loadLocales(locales.Files)
	if err != nil {
		t.Fatal(err)
	}
	m := newMatcher(all)
	for _, c := range []struct{ accept, cookie, want string }{
		{"", "", "en"}, {"zh-CN,zh;q=0.9", "", "zh-CN"}, {"zh", "", "zh-CN"}, {"zh-Hans-SG", "", "zh-CN"}, {"de-DE,de;q=0.9", "", "en"}, {"en-GB", "zh-CN", "zh-CN"},
		{"zh-CN", "en", "en"}, {"zh-CN", "xx", "zh-CN"}, {";;;,,,\x00", "", "en"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.Header.Set("Cookie", "lang="+c.cookie)
		}
		if got := chosen(all, m, r).Tag; got != c.want {
			t.Errorf("Accept-Language %q, cookie %q: %s, want %s", c.accept, c.cookie, got, c.want)
		}
	}
}

func TestLocalPath(t *testing.T) {
	for in, want := range map[string]string{
		"/console/queue?x=1": "/console/queue?x=1", "": "/", "https://evil.example/": "/", "//evil.example": "/", "/\\evil.example": "/", "javascript:alert(1)": "/",
		"\\\\evil": "/", "///evil.example": "/", "/%2f/evil": "/%2f/evil", "/a\r\nSet-Cookie: x": "/", "console": "/", "/console/review/a%20b": "/console/review/a%20b",
	} {
		if got := localPath(in); got != want && !(in == "/%2f/evil" && got == "/") {
			t.Errorf("localPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "//x", "/\\x", "http://x", "/a?b#c", "/%2f%2fx", "\t//x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := localPath(s)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n") {
			t.Errorf("localPath(%q) = %q leads away", s, got)
		}
	})
}
