package console

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
)

// signInData is what the sign-in page shows.
type signInData struct {
	Back, Name  string
	Problem     string // message id under signin.problem
	Wait        int    // minutes
	Local, OIDC bool
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) {
	if c.opt.Sessions == nil {
		c.fail(w, r, http.StatusNotImplemented, "")
		return
	}
	back := localPath(r.URL.Query().Get("back"))
	if sessionOf(r) != nil {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	c.showSignIn(w, r, http.StatusOK, signInData{Back: back, Problem: knownProblem(r.URL.Query().Get("problem"))})
}

func knownProblem(s string) string {
	switch s {
	case "ended", "provider", "norole":
		return s
	}
	return ""
}

func (c *console) showSignIn(w http.ResponseWriter, r *http.Request, status int, d signInData) {
	d.Local, d.OIDC = c.opt.Sessions.Local != nil, c.opt.OIDC != nil
	c.show(w, r, status, "signin", "signin.title", d)
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	if c.opt.Sessions == nil || c.opt.Sessions.Local == nil {
		c.fail(w, r, http.StatusNotImplemented, "")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		c.fail(w, r, http.StatusBadRequest, "")
		return
	}
	name, back, address, now := r.PostForm.Get("name"), localPath(r.PostForm.Get("back")), identity.Address(r), c.opt.Now()
	if wait := c.limiter.Wait(now, name, address); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		c.note(r, name, nil, auditlog.Denied, "too many failures")
		c.showSignIn(w, r, http.StatusTooManyRequests, signInData{Back: back, Name: name, Problem: "limited", Wait: int(math.Ceil(wait.Minutes()))})
		return
	}
	u, print, err := c.opt.Sessions.Local.Check(r.Context(), name, r.PostForm.Get("password"))
	switch {
	case errors.Is(err, identity.ErrPassword):
		c.limiter.Failed(now, name, address)
		c.note(r, name, nil, auditlog.Failed, "wrong name or password")
		c.showSignIn(w, r, http.StatusUnauthorized, signInData{Back: back, Name: name, Problem: "wrong"})
		return
	case err != nil:
		c.broken(w, r, err)
		return
	}
	c.limiter.Passed(name, address)
	if back == "/" {
		back = homeOf(u)
	}
	c.begin(w, r, u, "local", print, back)
}

// begin signs a user in, after it is written down that he is.
func (c *console) begin(w http.ResponseWriter, r *http.Request, u *identity.User, provider, print, back string) {
	err := c.opt.Audit.Write(r.Context(), auditlog.Entry{Actor: u.Name, Roles: u.Roles, PartnerID: u.PartnerID, Action: auditlog.SignIn, Kind: "user", Subject: u.Name,
		Address: identity.Address(r), Source: "console", Detail: map[string]string{"provider": provider}})
	if err == nil {
		_, err = c.opt.Sessions.Begin(w, u, provider, print)
	}
	if err != nil {
		c.broken(w, r, err)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// homeOf is the page a user works on.
func homeOf(u *identity.User) string {
	switch {
	case u.Is(identity.RoleQA) && !u.Is(identity.RoleAdmin):
		return "/console/queue"
	case u.Is(identity.RoleAgent) && !u.Is(figuresRoles...):
		return "/console/me"
	}
	return "/"
}

// note writes down a sign-in that did not come about. That the log cannot be written does not let anybody in.
func (c *console) note(r *http.Request, name string, u *identity.User, outcome, why string) {
	e := auditlog.Entry{Actor: name, Action: auditlog.SignIn, Kind: "user", Subject: name, Outcome: outcome, Reason: why, Address: identity.Address(r), Source: "console"}
	if u != nil {
		e.Roles, e.PartnerID = u.Roles, u.PartnerID
	}
	if e.Actor == "" {
		e.Actor = "(nobody)"
	}
	if err := c.opt.Audit.Write(r.Context(), e); err != nil {
		c.opt.Logger.Error("the audit log cannot be written", "error", err)
	}
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request, u *identity.User) {
	s := sessionOf(r)
	if err := c.opt.Sessions.End(r.Context(), w, s); err != nil {
		c.broken(w, r, err)
		return
	}
	err := c.opt.Audit.Write(r.Context(), auditlog.Entry{Actor: u.Name, Roles: u.Roles, PartnerID: u.PartnerID, Action: auditlog.SignOut, Kind: "user", Subject: u.Name,
		Address: identity.Address(r), Source: "console", Detail: map[string]string{"after": (time.Duration(c.opt.Now().UnixMilli()-s.Began) * time.Millisecond).Round(time.Second).String()}})
	if err != nil {
		c.opt.Logger.Error("the audit log cannot be written", "error", err)
	}
	http.Redirect(w, r, "/console/sign-in?problem=ended", http.StatusSeeOther)
}
