package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
)

type sessionKey struct{}

// sessionOf is the request's living session, nil without one.
func sessionOf(r *http.Request) *identity.Session {
	s, _ := r.Context().Value(sessionKey{}).(*identity.Session)
	return s
}

// withSession finds the session once for each request.
func (c *console) withSession(h http.Handler) http.Handler {
	if c.opt.Sessions == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := c.opt.Sessions.Of(w, r); s != nil {
			r = r.WithContext(context.WithValue(r.Context(), sessionKey{}, s))
		}
		h.ServeHTTP(w, r)
	})
}

// userHandler answers a request of a signed-in user.
type userHandler func(w http.ResponseWriter, r *http.Request, u *identity.User)

// signedIn lets in who is signed in and has one of the roles (none: any), and checks that what changes something came
// from a page of the session: the token of its forms, beside the browser's word about the origin (crossOrigin).
func (c *console) signedIn(h userHandler, roles ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessionOf(r)
		switch {
		case c.opt.Sessions == nil:
			c.fail(w, r, http.StatusNotImplemented, "")
			return
		case s == nil && (r.Method != http.MethodGet || wantsJSON(r)):
			c.fail(w, r, http.StatusUnauthorized, "")
			return
		case s == nil:
			http.Redirect(w, r, "/console/sign-in?back="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		if len(roles) > 0 && !s.User.Is(roles...) {
			c.denied(w, r, &s.User, "needs one of the roles "+strings.Join(roles, ", "))
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			token := r.Header.Get("X-CSRF-Token")
			if token == "" {
				token = r.PostFormValue("csrf")
			}
			if !c.opt.Sessions.Sealer.CheckCSRF(s.ID, token) {
				c.failAs(w, r, http.StatusForbidden, "problem.csrf")
				return
			}
		}
		h(w, r, &s.User)
	})
}

// maxForm is the largest body of a form or a draft.
const maxForm = 1 << 20

// denied answers 403 and leaves a record of it.
func (c *console) denied(w http.ResponseWriter, r *http.Request, u *identity.User, why string) {
	err := c.opt.Audit.Write(r.Context(), auditlog.Entry{Actor: u.Name, Roles: u.Roles, PartnerID: u.PartnerID, Action: auditlog.AccessDenied, Kind: "page", Subject: r.URL.Path,
		Outcome: auditlog.Denied, Reason: why, Address: identity.Address(r), Source: "console"})
	if err != nil {
		c.opt.Logger.Error("the audit log cannot be written", "error", err)
	}
	c.fail(w, r, http.StatusForbidden, "")
}

// figures lets in who may read the dashboards: everybody where the API is open to everybody, else signed-in users.
func (c *console) figures(h http.Handler) http.Handler {
	guarded := c.signedIn(func(w http.ResponseWriter, r *http.Request, _ *identity.User) { h.ServeHTTP(w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessionOf(r)
		switch {
		case s != nil && !s.User.Is(figuresRoles...) && s.User.Is(identity.RoleAgent):
			http.Redirect(w, r, "/console/me", http.StatusSeeOther)
		case c.opt.OpenFigures || c.opt.Sessions == nil || s != nil && s.User.Is(figuresRoles...):
			h.ServeHTTP(w, r)
		case s == nil:
			guarded.ServeHTTP(w, r)
		default:
			c.denied(w, r, &s.User, "needs one of the roles "+strings.Join(figuresRoles, ", "))
		}
	})
}

func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json") || strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeProblem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": title, "status": status, "detail": detail})
}
