package console_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/internal/qarules"
)

// What a stranger, a colleague and another site's page must not do, over HTTP on a running system.
func TestWhoMayDoWhat(t *testing.T) {
	a := quality(t, 6)
	rater := signIn(t, a, "rater")
	token := rater.token()
	json := map[string]string{"Accept": "application/json", "X-CSRF-Token": token}
	// A task of agent-1, which is partner-blue's and team-1's.
	id := ""
	for range 6 {
		code, body := rater.do("POST", "/console/queue/next", nil, json)
		if code != http.StatusOK {
			break
		}
		got := strings.Split(body, `"`)[3]
		if s, err := a.Desk().Task(auditor, got); err == nil && s.Task.AgentId == "agent-1" {
			id = got
			break
		}
	}
	if id == "" {
		t.Fatal("no task of agent-1 was given")
	}
	page := "/console/review/" + url.PathEscape(id)

	t.Run("cross site", func(t *testing.T) {
		for name, h := range map[string]map[string]string{"no token": {"Accept": "application/json"}, "a wrong token": {"Accept": "application/json", "X-CSRF-Token": "x"},
			"another site's page": {"Accept": "application/json", "X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"},
			"another origin":      {"Accept": "application/json", "X-CSRF-Token": token, "Origin": "https://evil.example"}} {
			if code, _ := rater.do("POST", page+"/draft", strings.NewReader(`{"seq":1,"sheet":{}}`), h); code != http.StatusForbidden {
				t.Errorf("%s: %d", name, code)
			}
		}
		if code, _ := anybody(t, a).do("POST", "/v1/permits", strings.NewReader("{}"), map[string]string{"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}); code != http.StatusForbidden {
			t.Errorf("the API takes a request of another site's page: %d", code)
		}
	})

	t.Run("score", func(t *testing.T) {
		h := map[string]string{"Content-Type": "application/json", "Accept": "application/json", "X-CSRF-Token": token}
		if code, body := rater.do("POST", page+"/draft", jsonBody(t, map[string]any{"seq": 1, "sheet": fullSheet(a, "no")}), h); code != http.StatusOK {
			t.Fatalf("draft: %d %s", code, body)
		}
		if code, body := rater.do("POST", page+"/score", jsonBody(t, map[string]any{"command": "once", "publish": true, "sheet": fullSheet(a, "no")}), h); code != http.StatusOK {
			t.Fatalf("score: %d %s", code, body)
		}
	})

	own, other, green := signIn(t, a, "agent-1"), signIn(t, a, "agent-2"), signIn(t, a, "green")
	t.Run("others", func(t *testing.T) {
		for name, c := range map[string]struct {
			v    visitor
			path string
			want int
		}{
			"his own review": {own, page, 200}, "another's review": {other, page, 403}, "another partner's": {green, page, 403}, "another's recording": {other, "/console/recordings/" + url.PathEscape(id), 403},
			"another partner's recording": {green, "/console/recordings/" + url.PathEscape(id), 403}, "an agent in the queue": {own, "/console/queue", 403}, "an agent in the team's results": {own, "/console/team", 403},
			"an agent at the figures": {own, "/v1/kpi?metric=calls_made", 403}, "a rater in appeals": {rater, "/console/appeals", 403}, "nobody": {anybody(t, a), "/v1/healthz", 404},
		} {
			if code, _ := c.v.get(c.path); code != c.want {
				t.Errorf("%s: %d, want %d", name, code, c.want)
			}
		}
		if code, body := anybody(t, a).get(page); code != http.StatusOK || !strings.Contains(body, `type="password"`) {
			t.Errorf("who is not signed in is not asked to: %d", code)
		}
		if _, body := green.get("/console/search?q=call-"); strings.Contains(body, "call-0") {
			t.Error("a partner's supervisor finds another partner's call")
		}
		if _, body := signIn(t, a, "support").get("/console/search?q=call-"); !strings.Contains(body, "call-0") {
			t.Error("who is not confined does not find the call: the test above proves nothing")
		}
		if code, _ := rater.post("/console/recordings/"+url.PathEscape(id)+"/download", url.Values{"csrf": {token}, "reason": {"I want to"}}); code != http.StatusForbidden {
			t.Errorf("an inspector downloads a recording: %d", code)
		}
	})

	t.Run("numbers and markup", func(t *testing.T) {
		support := signIn(t, a, "support")
		for _, p := range []string{page, "/console/search?q=call-", "/console/team", "/console/appeals", "/console/search?q=13900001234", "/console/search?q=%3Cscript%3Ealert(1)%3C/script%3E"} {
			code, body := support.get(p)
			if code != http.StatusOK || strings.Contains(body, "13900001234") {
				t.Errorf("%s: %d, a number in clear: %v", p, code, strings.Contains(body, "13900001234"))
			}
			if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") {
				t.Errorf("%s: markup of others runs", p)
			}
		}
		if _, body := support.get(page); !strings.Contains(body, "&lt;img src=x") {
			t.Error("the comment is not on the page: the test above proves nothing")
		}
	})

	t.Run("recordings", func(t *testing.T) {
		path := "/console/recordings/" + url.PathEscape(id)
		if code, body := own.do("GET", path, nil, map[string]string{"Range": "bytes=0-3"}); code != http.StatusPartialContent || body != "RIFF" {
			t.Errorf("a range: %d %q", code, body)
		}
		for _, bad := range []string{"..%2f..%2fusers.yaml", "%2e%2e/users.yaml", "call.wav", "%2fetc%2fpasswd"} {
			if code, body := rater.get("/console/recordings/" + bad); code != http.StatusNotFound || strings.Contains(body, "argon2") {
				t.Errorf("%s: %d", bad, code)
			}
		}
		support := signIn(t, a, "support")
		form := url.Values{"csrf": {support.token()}, "reason": {"x"}}
		if code, _ := support.post(path+"/download", form); code != http.StatusUnprocessableEntity {
			t.Errorf("a download without a reason: %d", code)
		}
		form.Set("reason", "complaint 4711 of the regulator")
		if code, body := support.post(path+"/download", form); code != http.StatusOK || !strings.HasPrefix(body, "RIFF") {
			t.Errorf("a download with a reason: %d", code)
		}
		if err := a.Counted(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(t, "the download is in the audit log", func() bool {
			var n uint64
			err := a.Conn().QueryRow(t.Context(), "SELECT count() FROM audit_log FINAL WHERE actor = 'support' AND action = 'recording_downloaded' AND reason = 'complaint 4711 of the regulator' AND outcome = 'ok'").Scan(&n)
			return err == nil && n == 1
		})
		until(t, "refused attempts are in the audit log", func() bool {
			var n uint64
			err := a.Conn().QueryRow(t.Context(), "SELECT count() FROM audit_log FINAL WHERE actor = 'agent-2' AND action = 'access_denied'").Scan(&n)
			return err == nil && n >= 2
		})
	})

	t.Run("appeal", func(t *testing.T) {
		form := func(v visitor, more url.Values) url.Values {
			more.Set("csrf", v.token())
			return more
		}
		do := "/console/tasks/" + url.PathEscape(id)
		if code, _ := other.post(do+"/appeal", form(other, url.Values{"text": {"I would like that changed"}})); code != http.StatusForbidden {
			t.Errorf("another agent appeals: %d", code)
		}
		if code, body := own.post(do+"/appeal", form(own, url.Values{"text": {"the customer <b>said</b> yes"}, "command": {"appeal-1"}})); code != http.StatusOK {
			t.Fatalf("appeal: %d %s", code, body)
		}
		if code, _ := own.post(do+"/appeal", form(own, url.Values{"text": {"and once again"}, "command": {"appeal-2"}})); code != http.StatusConflict {
			t.Errorf("a second appeal: %d", code)
		}
		if code, _ := rater.post(do+"/decide", form(rater, url.Values{"side": {"support"}, "vote": {"reject"}, "reason": {"mine was right"}})); code != http.StatusForbidden {
			t.Errorf("the reviewer decides: %d", code)
		}
		for name, side := range map[string]string{"support": "support", "leader": "leader"} {
			v := signIn(t, a, name)
			if code, body := v.post(do+"/decide", form(v, url.Values{"side": {side}, "vote": {"void"}, "reason": {"he did say so"}, "command": {"vote-" + side}})); code != http.StatusOK {
				t.Errorf("%s votes: %d %s", name, code, body)
			}
		}
		until(t, "the appeal is decided", func() bool {
			s, err := a.Desk().Task(auditor, id)
			return err != nil || s.Status == qarules.Closed
		})
	})
}

// A session cannot be fixed, guessed or kept.
func TestSignIn(t *testing.T) {
	a := quality(t, 1)
	v := anybody(t, a)
	base, err := url.Parse(a.URL())
	if err != nil {
		t.Fatal(err)
	}
	const planted = "AAAAplanted"
	v.http.Jar.SetCookies(base, []*http.Cookie{{Name: "ringfence", Value: planted}})
	if _, body := v.get("/console/queue"); !strings.Contains(body, `type="password"`) {
		t.Error("a planted cookie is a session")
	}
	if code, _ := v.post("/console/sign-in", url.Values{"name": {"rater"}, "password": {password}, "back": {"https://evil.example/"}}); code != http.StatusOK {
		t.Fatalf("sign in: %d", code)
	}
	cookies := v.http.Jar.Cookies(base)
	if len(cookies) != 1 || cookies[0].Value == planted {
		t.Fatal("the session goes on under the planted cookie")
	}
	stolen := cookies[0]
	if code, _ := v.post("/console/sign-out", url.Values{"csrf": {v.token()}}); code != http.StatusOK {
		t.Errorf("sign out: %d", code)
	}
	thief := anybody(t, a)
	thief.http.Jar.SetCookies(base, []*http.Cookie{stolen})
	if _, body := thief.get("/console/queue"); !strings.Contains(body, `type="password"`) {
		t.Error("a copied cookie outlives the sign-out")
	}
	guesser := anybody(t, a)
	for i := range 5 {
		if code, _ := guesser.post("/console/sign-in", url.Values{"name": {"support"}, "password": {"guess"}}); code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, code)
		}
	}
	if code, body := guesser.post("/console/sign-in", url.Values{"name": {"support"}, "password": {password}}); code != http.StatusTooManyRequests || !strings.Contains(body, "15") {
		t.Errorf("the sixth try, with the right password: %d", code)
	}
}

// Every form there is: without the token of its session, and sent by another site's page, it does nothing.
func TestEveryFormNeedsItsToken(t *testing.T) {
	a := quality(t, 1)
	v := signIn(t, a, "admin")
	token := v.token()
	routes := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`mux\.Handle(?:Func)?\("POST (/console/[^"]+)"`).FindAllStringSubmatch(string(b), -1) {
			routes[strings.NewReplacer("{id}", "x", "{do}", "release").Replace(m[1])] = true
		}
	}
	if len(routes) < 10 {
		t.Fatalf("only %d forms were found", len(routes))
	}
	another := signIn(t, a, "rater").token()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for route := range routes {
		if code, _ := v.do("POST", route, strings.NewReader("csrf="+url.QueryEscape(token)+"&reason=because+of+it"), map[string]string{"Content-Type": form["Content-Type"], "Sec-Fetch-Site": "cross-site"}); code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", route, code)
		}
		if route == "/console/sign-in" || route == "/console/preferences" { // there is no session yet that a token could be of
			continue
		}
		for _, body := range []string{"", "csrf=", "csrf=" + url.QueryEscape(another)} {
			if code, _ := v.do("POST", route, strings.NewReader(body+"&reason=because+of+it"), form); code != http.StatusForbidden {
				t.Errorf("%s with %q: %d", route, body, code)
			}
		}
	}
	if code, _ := v.do("POST", "/console/tasks/x/release", strings.NewReader("csrf="+url.QueryEscape(token)), form); code != http.StatusNotFound {
		t.Errorf("with the right token: %d: the test above proves nothing", code)
	}
}
