package identity

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Sessions begins, finds and ends the sessions of requests.
type Sessions struct {
	Sealer *Sealer
	Limits Limits
	Local  *Local // nil without local users
	Ended  interface {
		Has(id string) bool
		End(ctx context.Context, id string, until time.Time) error
	}
	Secure bool // cookies only over TLS: the console is reached by https
	Now    func() time.Time
}

const purpose = "session v1"

// renewAfter is how old a cookie's last sight may be before a new one is sent.
const renewAfter = time.Minute

// CookieName is the session's cookie. Under TLS it has the prefix that ties it to this very host.
func (s *Sessions) CookieName() string {
	if s.Secure {
		return "__Host-ringfence"
	}
	return "ringfence"
}

func (s *Sessions) cookie(value string, until time.Time) *http.Cookie {
	return &http.Cookie{Name: s.CookieName(), Value: value, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode, Expires: until}
}

// Begin signs a user in: always under a new id, whatever cookie came with the request.
func (s *Sessions) Begin(w http.ResponseWriter, u *User, provider, print string) (*Session, error) {
	now := s.Now()
	x := &Session{ID: NewID(), User: *u, Provider: provider, Print: print, Began: now.UnixMilli(), Seen: now.UnixMilli()}
	return x, s.send(w, x)
}

func (s *Sessions) send(w http.ResponseWriter, x *Session) error {
	text, err := s.Sealer.Seal(purpose, x)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(text, s.Limits.Until(x)))
	return nil
}

// Of is the request's session, nil without a living one. A local user's roles are those the file has now. A cookie that
// was not renewed for a while is, if w is given.
func (s *Sessions) Of(w http.ResponseWriter, r *http.Request) *Session {
	c, err := r.Cookie(s.CookieName())
	if err != nil {
		return nil
	}
	var x Session
	now := s.Now()
	if s.Sealer.Open(purpose, c.Value, &x) != nil || !s.Limits.Alive(&x, now) || s.Ended.Has(x.ID) {
		return nil
	}
	if x.Provider == "local" {
		if s.Local == nil {
			return nil
		}
		u, print, ok := s.Local.Lookup(x.User.Name)
		if !ok || print != x.Print {
			return nil
		}
		x.User = *u
	}
	if w != nil && now.UnixMilli()-x.Seen >= renewAfter.Milliseconds() {
		x.Seen = now.UnixMilli()
		if err := s.send(w, &x); err != nil {
			return nil
		}
	}
	return &x
}

// End signs out: the cookie is taken back, and the session is over wherever a copy of it may be.
func (s *Sessions) End(ctx context.Context, w http.ResponseWriter, x *Session) error {
	gone := s.cookie("", time.Unix(1, 0))
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	return s.Ended.End(ctx, x.ID, time.UnixMilli(x.Began).Add(s.Limits.Most))
}

// Address is where a request came from, without its port.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
