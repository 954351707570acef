package console

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/number"
)

// page is what every template is given; what is its own is in Data.
type page struct {
	Name    string // of the template, and of the entry of the navigation that is lit
	Title   string
	Lang    string
	Langs   []*locale
	Theme   string // "", light, dark
	User    *identity.User
	CSRF    string
	Nav     []navEntry
	SignsIn bool
	Path    string // where the reader is, for coming back
	Zone    string
	Version string
	Data    any
}

type navEntry struct {
	Name, Path, Key string
	Here            bool
}

// navigation in its order. Roles are those that see an entry; none = everybody. Key is pressed after g.
var navigation = []struct {
	name, path, key string
	roles           []string
}{
	{"overview", "/", "o", nil},
	{"alerts", "/console/alerts", "l", alertReaders},
	{"queue", "/console/queue", "q", []string{identity.RoleQA, identity.RoleSupervisor}},
	{"team", "/console/team", "t", []string{identity.RoleSupervisor, identity.RoleCompliance}},
	{"appeals", "/console/appeals", "a", []string{identity.RoleSupervisor, identity.RoleCompliance}},
	{"calibration", "/console/calibration", "c", []string{identity.RoleQA, identity.RoleSupervisor, identity.RoleCompliance}},
	{"sampling", "/console/sampling", "s", []string{identity.RoleQA, identity.RoleSupervisor, identity.RoleCompliance}},
	{"me", "/console/me", "m", []string{identity.RoleAgent}},
	{"search", "/console/search", "f", []string{identity.RoleQA, identity.RoleSupervisor, identity.RoleCompliance}},
}

// figuresRoles may read the dashboards' figures (they are the roles of GET /v1/kpi).
var figuresRoles = []string{identity.RoleSupervisor, identity.RoleCompliance, identity.RoleQA}

func (c *console) navFor(u *identity.User, here string) []navEntry {
	var out []navEntry
	for _, n := range navigation {
		if c.pages[c.locales[0].Tag][n.name] == nil {
			continue // the page needs a part this process does not have
		}
		switch {
		case n.name == "alerts" && c.opt.Sessions == nil && c.opt.OpenFigures:
		case len(n.roles) > 0 && !u.Is(n.roles...):
			continue
		case n.name == "alerts" && u.PartnerID != "":
			continue
		case n.name == "overview" && !c.opt.OpenFigures && !u.Is(figuresRoles...):
			continue
		}
		out = append(out, navEntry{n.name, n.path, n.key, n.name == here})
	}
	return out
}

// parsePages makes each page of the layout and its own file, in every language: a template's functions are bound when
// it is parsed.
func (c *console) parsePages(names ...string) error {
	c.pages = map[string]map[string]*template.Template{}
	for _, l := range c.locales {
		c.pages[l.Tag] = map[string]*template.Template{}
		for _, file := range names {
			name := strings.TrimSuffix(path.Base(file), ".html")
			t, err := template.New("layout.html").Funcs(l.funcs()).Funcs(l.questions()).Funcs(c.formats()).Funcs(template.FuncMap{"told": func(said string) string { return c.telling(l, said) }}).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+file)
			if err != nil {
				return fmt.Errorf("parse the console's page %s: %w", file, err)
			}
			c.pages[l.Tag][name] = t
		}
	}
	return nil
}

// formats are times and figures as the reader's language writes them, in the reporting zone.
func (c *console) formats() template.FuncMap {
	at := func(layout string) func(any) string {
		return func(v any) string {
			switch x := v.(type) {
			case time.Time:
				return x.In(c.opt.Zone).Format(layout)
			case int64:
				if x == 0 {
					return "–"
				}
				return time.UnixMilli(x).In(c.opt.Zone).Format(layout)
			}
			return fmt.Sprint(v)
		}
	}
	return template.FuncMap{
		"at": at("2006-01-02 15:04"), "day": at(time.DateOnly), "clock": at("15:04:05"),
		"iso": at(time.RFC3339),
		"percent": func(part, whole any) string {
			a, b := number64(part), number64(whole)
			if b == 0 {
				return "–"
			}
			return fmt.Sprintf("%.1f %%", 100*a/b)
		},
		"points":  func(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") },
		"minutes": minutes,
		"join":    strings.Join,
		"act":     actOn,
	}
}

func number64(v any) float64 {
	switch x := v.(type) {
	case int:
		return float64(x)
	case int64:
		return float64(x)
	case uint64:
		return float64(x)
	case float64:
		return x
	}
	return 0
}

// act is a button about a campaign, with what its form needs.
type act struct{ Action, Campaign, CSRF string }

func actOn(p page, action, campaign string) act { return act{action, campaign, p.CSRF} }

// minutes writes milliseconds as 3:07.
func minutes(ms int64) string {
	s := (ms + 500) / 1000
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// show renders a page. titleID is the message of its title; data is the page's own.
func (c *console) show(w http.ResponseWriter, r *http.Request, status int, name, titleID string, data any) {
	l := c.locale(r)
	title, err := l.text(titleID)
	if own, ok := data.(interface{ PageTitle() string }); ok {
		title = own.PageTitle()
	}
	if err != nil {
		c.broken(w, r, err)
		return
	}
	s := sessionOf(r)
	p := page{Name: name, Title: title, Lang: l.Tag, Langs: c.locales, Theme: themeOf(r), Zone: c.opt.Zone.String(), Version: c.opt.Version, Path: r.URL.RequestURI(),
		SignsIn: c.opt.Sessions != nil, Data: data}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.Path = r.URL.Path
	}
	if s != nil {
		p.User, p.CSRF = &s.User, c.opt.Sessions.Sealer.CSRF(s.ID)
	}
	p.Path = number.MaskValid(p.Path, "CN") // a number somebody looked for is not shown again
	p.Nav = c.navFor(p.User, name)
	var body bytes.Buffer
	if err := c.pages[l.Tag][name].ExecuteTemplate(&body, "layout.html", p); err != nil {
		c.broken(w, r, fmt.Errorf("render %s: %w", name, err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", l.Tag)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

func (c *console) locale(r *http.Request) *locale { return chosen(c.locales, c.matcher, r) }

func themeOf(r *http.Request) string {
	if k, err := r.Cookie("theme"); err == nil && (k.Value == "light" || k.Value == "dark") {
		return k.Value
	}
	return ""
}

// broken is a fault of ours or of what we ask: the log knows it, the reader learns that it was not his.
func (c *console) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return
	}
	c.opt.Logger.Error("a page of the console failed", "path", r.URL.Path, "error", err)
	if r.Context().Value(brokenKey{}) != nil { // the page that says so is broken itself
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	c.fail(w, r.WithContext(context.WithValue(r.Context(), brokenKey{}, true)), http.StatusInternalServerError, "")
}

type brokenKey struct{}

// fail says that something did not work, in the reader's language, and where to go on. detail is what was refused, as the
// part that did it says it (because), or "": then it is what the status means.
func (c *console) fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	l := c.locale(r)
	if detail != "" {
		detail = c.because(l, detail)
	}
	c.say(w, r, status, cmp.Or(detail, l.texts[fmt.Sprintf("problem.detail%d", status)]))
}

// failAs is fail with a message of its own.
func (c *console) failAs(w http.ResponseWriter, r *http.Request, status int, message string) {
	c.say(w, r, status, c.locale(r).texts[message])
}

// say answers a page with a page and a script with JSON.
func (c *console) say(w http.ResponseWriter, r *http.Request, status int, text string) {
	title := fmt.Sprintf("problem.status%d", status)
	if wantsJSON(r) {
		writeProblem(w, status, c.locale(r).texts[title], text)
		return
	}
	c.show(w, r, status, "problem", title, text)
}

// reasoned refuses a reason that says nothing; false: it did.
func (c *console) reasoned(w http.ResponseWriter, r *http.Request, reason string) bool {
	if auditlog.CheckReason(reason) == nil {
		return true
	}
	c.failAs(w, r, http.StatusUnprocessableEntity, "problem.reason")
	return false
}

// preferences keeps the reader's language and theme in cookies of his browser.
func (c *console) preferences(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		c.fail(w, r, http.StatusBadRequest, "")
		return
	}
	set := func(name, value string) {
		http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.opt.Sessions != nil && c.opt.Sessions.Secure})
	}
	for _, l := range c.locales {
		if l.Tag == r.PostForm.Get("lang") {
			set("lang", l.Tag)
		}
	}
	switch t := r.PostForm.Get("theme"); t {
	case "light", "dark", "system":
		set("theme", t)
	}
	http.Redirect(w, r, localPath(r.PostForm.Get("back")), http.StatusSeeOther)
}

// localPath is a path of this very site, or / if it is anything else.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	uri := u.RequestURI()
	if !strings.HasPrefix(uri, "/") || strings.HasPrefix(uri, "//") { // its first slash is escaped: relative to the page, not to the site
		return "/"
	}
	return uri
}
