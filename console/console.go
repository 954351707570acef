package console

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/text/language"

	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/locales"
)

//go:embed all:static templates
var files embed.FS

// Options of the console.
type Options struct {
	Zone    *time.Location // the reporting zone, in which times are shown
	Version string
	Logger  *slog.Logger
	Now     func() time.Time
	// OpenFigures lets everybody read the dashboards, as everybody may read the API: no tokens are configured.
	OpenFigures bool
	Sessions    *identity.Sessions // nil: nobody can sign in, and there are only the dashboards
	OIDC        *identity.OIDC     // nil: no provider
	Audit       *auditlog.Log      // needed with Sessions
	QA          *QA                // nil: no pages of quality monitoring; needs Sessions
	Alerts      *Alerts            // nil: no page of alerts
	OneIn       int                // of how many recordings one is drawn, for the audit's page
}

// console answers the pages.
type console struct {
	opt      Options
	locales  []*locale
	matcher  language.Matcher
	pages    map[string]map[string]*template.Template // by language and name
	refusals []sentence
	told     []sentence
	limiter  *identity.Limiter
	heard    *lru.Cache[string, time.Time] // when a session was last noted to hear a recording
}

// New makes the console's handler. It serves / and /console/.
func New(opt Options) (http.Handler, error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sessions != nil && opt.Audit == nil {
		return nil, errors.New("the console needs an audit log where users sign in")
	}
	c := &console{opt: opt, limiter: identity.NewLimiter()}
	var err error
	if c.heard, err = lru.New[string, time.Time](10_000); err != nil {
		return nil, err
	}
	if c.locales, err = loadLocales(locales.Files); err != nil {
		return nil, err
	}
	if c.refusals, err = loadSentences(c.locales[0], "refusal"); err != nil {
		return nil, fmt.Errorf("read the refusals: %w", err)
	}
	if c.told, err = loadSentences(c.locales[0], "told"); err != nil {
		return nil, fmt.Errorf("read what the watch tells: %w", err)
	}
	c.matcher = newMatcher(c.locales)
	pages := []string{"dashboards/overview.html", "qa/signin.html", "qa/problem.html"}
	if opt.Alerts != nil {
		pages = append(pages, "alerts/alerts.html")
	}
	if opt.QA != nil {
		for _, name := range []string{"queue", "review", "team", "appeals", "me", "calibration", "sampling", "search", "number"} {
			pages = append(pages, "qa/"+name+".html")
		}
	}
	if err := c.parsePages(pages...); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	if err := c.routes(mux); err != nil {
		return nil, err
	}
	return c.secured(http.NewCrossOriginProtection().Handler(c.withSession(mux))), nil
}

func (c *console) routes(mux *http.ServeMux) error {
	static, err := fs.Sub(files, "static")
	if err != nil {
		return err
	}
	mux.Handle("GET /console/static/", http.StripPrefix("/console/static/", cached(http.FileServerFS(static))))
	mux.HandleFunc("POST /console/preferences", c.preferences)
	mux.HandleFunc("GET /console/sign-in", c.signInPage)
	mux.HandleFunc("POST /console/sign-in", c.signIn)
	mux.Handle("POST /console/sign-out", c.signedIn(c.signOut))
	if c.opt.OIDC != nil {
		mux.HandleFunc("GET /console/oidc/start", c.oidcStart)
		mux.HandleFunc("GET /console/oidc/callback", c.oidcCallback)
	}
	if c.opt.QA != nil && c.opt.Sessions != nil {
		c.qaRoutes(mux)
	}
	if c.opt.Alerts != nil {
		c.alertRoutes(mux)
	}
	mux.HandleFunc("/console/", func(w http.ResponseWriter, r *http.Request) { c.fail(w, r, http.StatusNotFound, "") })
	return c.dashboardPages(mux)
}

// secured sets the headers every page has: only our own scripts and styles run, no page of ours is framed.
func (c *console) secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := w.Header()
		k.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		k.Set("X-Content-Type-Options", "nosniff")
		k.Set("X-Frame-Options", "DENY")
		k.Set("Referrer-Policy", "same-origin")
		k.Set("Cross-Origin-Opener-Policy", "same-origin")
		k.Set("Cross-Origin-Resource-Policy", "same-origin")
		k.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if c.opt.Sessions != nil && c.opt.Sessions.Secure {
			k.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.ServeHTTP(w, r)
	})
}

func cached(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}
