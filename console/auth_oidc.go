package console

import (
	"errors"
	"net/http"

	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
)

// flowCookie carries a sign-in at the provider; it must come back from there, so it is Lax as the session's.
const flowCookie = "ringfence_oidc"

func (c *console) flow(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: flowCookie, Value: value, Path: "/console/oidc/", MaxAge: maxAge, HttpOnly: true, Secure: c.opt.Sessions.Secure, SameSite: http.SameSiteLaxMode})
}

func (c *console) oidcStart(w http.ResponseWriter, r *http.Request) {
	address, sealed, err := c.opt.OIDC.Start(r.Context(), localPath(r.URL.Query().Get("back")))
	if err != nil {
		c.opt.Logger.Error("the provider of identities does not answer", "error", err)
		http.Redirect(w, r, "/console/sign-in?problem=provider", http.StatusSeeOther)
		return
	}
	c.flow(w, sealed, 600)
	http.Redirect(w, r, address, http.StatusSeeOther)
}

func (c *console) oidcCallback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	sealed, err := r.Cookie(flowCookie)
	c.flow(w, "", -1) // whatever comes of it, it is used up
	if err != nil || q.Get("code") == "" {
		c.opt.Logger.Warn("a sign-in at the provider came to nothing", "error", q.Get("error"), "description", q.Get("error_description"))
		http.Redirect(w, r, "/console/sign-in?problem=provider", http.StatusSeeOther)
		return
	}
	u, back, err := c.opt.OIDC.Finish(r.Context(), sealed.Value, q.Get("state"), q.Get("code"))
	if err != nil {
		c.opt.Logger.Warn("a sign-in at the provider failed", "error", err)
		c.note(r, "(provider)", nil, auditlog.Failed, err.Error())
		problem := "provider"
		if errors.Is(err, identity.ErrNoRole) {
			problem = "norole"
		}
		http.Redirect(w, r, "/console/sign-in?problem="+problem, http.StatusSeeOther)
		return
	}
	if back = localPath(back); back == "/" {
		back = homeOf(u)
	}
	c.begin(w, r, u, "oidc", "", back)
}
