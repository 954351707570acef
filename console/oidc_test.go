package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/ringfence/ringfence/console"
	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
)

// people are the provider's users.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User         { return p[id] }
func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (p people) ExampleClientID() string                     { return "ringfence" }

// provider is a certified implementation of OpenID Connect with users and claims of the test's own.
type provider struct {
	*storage.Storage
	mu       sync.Mutex
	claims   map[string]any
	lifetime time.Duration // of id tokens
	url      string
}

// shortLived is a client whose tokens live as long as the test says.
type shortLived struct {
	op.Client
	lifetime time.Duration
}

func (c shortLived) IDTokenLifetime() time.Duration { return c.lifetime }

func (p *provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return shortLived{c, p.lifetime}, nil
}

// SetUserinfoFromToken tells the claims of the test, as many providers do only when they are asked.
func (p *provider) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	if err := p.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, v := range p.claims {
		info.AppendClaims(k, v)
	}
	return nil
}

func (p *provider) says(claims map[string]any, lifetime time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.lifetime = claims, lifetime
}

// unstarted is a server whose address is known before it has something to say.
func unstarted(t *testing.T) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	t.Cleanup(s.Close)
	return s, "http://" + s.Listener.Addr().String()
}

func startProvider(t *testing.T, redirect string) *provider {
	t.Helper()
	srv, address := unstarted(t)
	users := people{"u1": {ID: "u1", Username: "li.wei", Password: "verysecure", FirstName: "Li", LastName: "Wei"}}
	users["li.wei"] = users["u1"]
	p := &provider{Storage: storage.NewStorageWithClients(users, map[string]*storage.Client{"ringfence": storage.WebClient("ringfence", "secret", redirect)}), url: address, lifetime: time.Hour}
	srv.Config.Handler = exampleop.SetupServer(address, p, slog.New(slog.DiscardHandler), false)
	srv.Start()
	return p
}

// written is the audit log's topic.
type written struct {
	mu sync.Mutex
	t  *testing.T
	at []*event.AuditRecord
}

func (w *written) ProduceSync(_ context.Context, rs ...*kgo.Record) kgo.ProduceResults {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range rs {
		a := &event.AuditRecord{}
		if err := a.UnmarshalVT(r.Value); err != nil {
			w.t.Error(err)
		}
		w.at = append(w.at, a)
	}
	return kgo.ProduceResults{{Record: rs[0]}}
}

func (w *written) last() *event.AuditRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.at) == 0 {
		return &event.AuditRecord{}
	}
	return w.at[len(w.at)-1]
}

type nobodyEnded struct{}

func (nobodyEnded) Has(string) bool                              { return false }
func (nobodyEnded) End(context.Context, string, time.Time) error { return nil }

var (
	loginID   = regexp.MustCompile(`authRequestID=([^"&]+)`)
	signedOut = "problem="
)

// traveller is a browser that stops before each redirect, so that a test can change where it leads.
type traveller struct {
	t    *testing.T
	http *http.Client
}

func newTraveller(t *testing.T) *traveller {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &traveller{t, &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// step asks for an address (with a form: posts it) and returns where it leads and what it says.
func (v *traveller) step(address string, form url.Values) (string, string) {
	v.t.Helper()
	var res *http.Response
	var err error
	if form == nil {
		res, err = v.http.Get(address)
	} else {
		res, err = v.http.PostForm(address, form)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	to := ""
	if loc, err := res.Location(); err == nil {
		to = loc.String()
	}
	return to, string(body)
}

// query changes a parameter of an address.
func query(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// The whole way of a sign-in at a provider, over HTTP: authorization code with PKCE, state and nonce; roles, partner and
// team from claims; and what happens when any of it is not as it should be.
func TestProvider(t *testing.T) {
	srv, base := unstarted(t)
	p := startProvider(t, base+"/console/oidc/callback")
	sealer, err := identity.NewSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	log := &written{t: t}
	h, err := console.New(console.Options{Zone: time.UTC, Audit: auditlog.New(log, nil),
		Sessions: &identity.Sessions{Sealer: sealer, Limits: identity.Limits{Idle: time.Hour, Most: time.Hour}, Ended: nobodyEnded{}, Now: time.Now},
		OIDC: identity.NewOIDC(identity.OIDCOptions{Issuer: p.url, ClientID: "ringfence", ClientSecret: "secret", RedirectURL: base + "/console/oidc/callback", Scopes: []string{"openid", "profile"},
			NameClaim: "preferred_username", RolesClaim: "groups", PartnerClaim: "partner", TeamClaim: "team", RolesMap: map[string][]string{"call-quality": {"qa"}, "chiefs": {"supervisor"}}}, sealer)})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = h
	srv.Start()

	same := func(s string) string { return s }
	// way signs in: asked changes the address at the provider, answer the address it sends the browser back to.
	way := func(t *testing.T, asked, answer func(string) string) (*traveller, string) {
		t.Helper()
		v := newTraveller(t)
		to, _ := v.step(base+"/console/oidc/start?back=/console/search", nil)
		if u, err := url.Parse(to); err != nil || u.Query().Get("code_challenge_method") != "S256" || u.Query().Get("nonce") == "" || u.Query().Get("state") == "" {
			t.Fatalf("the way to the provider is %s", to)
		}
		to, _ = v.step(asked(to), nil)
		id := loginID.FindStringSubmatch(to)
		if id == nil {
			t.Fatalf("the provider leads to %s", to)
		}
		to, body := v.step(p.url+"/login/username", url.Values{"username": {"li.wei"}, "password": {"verysecure"}, "id": {id[1]}})
		if to == "" {
			t.Fatalf("the provider says %s", body)
		}
		back, body := v.step(to, nil)
		if !strings.HasPrefix(back, base+"/console/oidc/callback") {
			t.Fatalf("the provider leads back to %s %s", back, body)
		}
		to, _ = v.step(answer(back), nil)
		return v, to
	}
	signedIn := func(t *testing.T, v *traveller) bool {
		t.Helper()
		_, body := v.step(base+"/console/nowhere", nil)
		return strings.Contains(body, "/console/sign-out")
	}
	good := map[string]any{"groups": []string{"call-quality", "staff"}, "partner": "partner-blue", "team": "team-7"}

	t.Run("signs in", func(t *testing.T) {
		p.says(good, time.Hour)
		v, to := way(t, same, same)
		if to != base+"/console/search" || !signedIn(t, v) {
			t.Errorf("it leads to %s", to)
		}
		if a := log.last(); a.Actor != "li.wei" || a.Action != auditlog.SignIn || a.Outcome != auditlog.OK || strings.Join(a.Roles, " ") != "qa" || a.PartnerId != "partner-blue" {
			t.Errorf("the log has %v", a)
		}
	})
	for name, c := range map[string]struct {
		claims        map[string]any
		lifetime      time.Duration
		asked, answer func(string) string
		problem       string
	}{
		"another nonce":                {good, time.Hour, func(s string) string { return query(t, s, "nonce", "planted") }, same, "provider"},
		"another proof key":            {good, time.Hour, func(s string) string { return query(t, s, "code_challenge", strings.Repeat("A", 43)) }, same, "provider"},
		"another state":                {good, time.Hour, same, func(s string) string { return query(t, s, "state", "planted") }, "provider"},
		"another code":                 {good, time.Hour, same, func(s string) string { return query(t, s, "code", "planted") }, "provider"},
		"no code but an error":         {good, time.Hour, same, func(string) string { return base + "/console/oidc/callback?error=access_denied&state=x" }, "provider"},
		"an expired token":             {good, -time.Hour, same, same, "provider"},
		"a group that is no role":      {map[string]any{"groups": []string{"staff", "qa", "admin"}}, time.Hour, same, same, "norole"},
		"no groups":                    {map[string]any{}, time.Hour, same, same, "norole"},
		"groups that are no texts":     {map[string]any{"groups": 7}, time.Hour, same, same, "provider"},
		"a partner that is not a text": {map[string]any{"groups": []string{"chiefs"}, "partner": []string{"partner-blue", "partner-red"}}, time.Hour, same, same, "provider"},
	} {
		t.Run(name, func(t *testing.T) {
			p.says(c.claims, c.lifetime)
			v, to := way(t, c.asked, c.answer)
			if !strings.HasSuffix(to, signedOut+c.problem) || signedIn(t, v) {
				t.Errorf("it leads to %s", to)
			}
			if a := log.last(); name != "no code but an error" && (a.Action != auditlog.SignIn || a.Outcome != auditlog.Failed) {
				t.Errorf("the log has %v", a)
			}
		})
	}
	t.Run("the same answer twice", func(t *testing.T) {
		p.says(good, time.Hour)
		callback := ""
		v, _ := way(t, same, func(s string) string { callback = s; return s })
		if to, _ := v.step(callback, nil); !strings.HasSuffix(to, signedOut+"provider") {
			t.Errorf("it leads to %s", to)
		}
		thief := newTraveller(t)
		if to, _ := thief.step(callback, nil); !strings.HasSuffix(to, signedOut+"provider") || signedIn(t, thief) {
			t.Errorf("in another browser it leads to %s", to)
		}
	})
}
