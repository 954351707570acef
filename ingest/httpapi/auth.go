package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/identity"
)

// caller is who sent a request.
type caller struct {
	name    string
	roles   []string
	partner string // "" = not confined
	user    *identity.User
}

func (c caller) may(roles []string) bool {
	if len(roles) == 0 || slices.Contains(c.roles, "admin") {
		return true
	}
	for _, r := range roles {
		if slices.Contains(c.roles, r) {
			return true
		}
	}
	return false
}

type callerKey struct{}

type insideKey struct{}

// Inside marks a request as one that a part of this very process makes, such as the built-in dialer: it needs no token.
// Requests from a socket never have the mark.
func Inside(ctx context.Context) context.Context { return context.WithValue(ctx, insideKey{}, true) }

func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// Partner is the one the request's token is confined to, "" = none.
func Partner(r *http.Request) string { return callerOf(r).partner }

// User is who sent the request: the user signed in at the console, or one made of the token. Without configured
// tokens and without a session it is the administrator "local".
func User(r *http.Request) *identity.User {
	c := callerOf(r)
	if c.user != nil {
		return c.user
	}
	return &identity.User{Name: c.name, Roles: c.roles, PartnerID: c.partner}
}

// guard lets in who holds a token with one of the roles, or is signed in at the console with one of them. Without
// configured tokens it lets in everybody who is not signed in: the address is loopback then.
func (a *API) guard(h http.Handler, roles ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := caller{name: "local", roles: []string{"admin"}}
		if u := a.session(r); u != nil {
			c = caller{u.Name, u.Roles, u.PartnerID, u}
			if !c.may(roles) || len(roles) == 0 && !u.Is(identity.RoleQA, identity.RoleSupervisor, identity.RoleCompliance) {
				fail(w, http.StatusForbidden, "You may not do this", "it needs one of the roles "+strings.Join(roles, ", "))
				return
			}
		} else if len(a.tokens) > 0 && r.Context().Value(insideKey{}) == nil {
			var ok bool
			c, ok = a.authenticate(r)
			if !ok {
				w.Header().Set("WWW-Authenticate", "Bearer")
				fail(w, http.StatusUnauthorized, "A token is needed", "send Authorization: Bearer with a token of api.tokens")
				return
			}
			if !c.may(roles) {
				fail(w, http.StatusForbidden, "The token may not do this", "it needs one of the roles "+strings.Join(roles, ", "))
				return
			}
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// session is who is signed in at the console. A request with a token goes by the token.
func (a *API) session(r *http.Request) *identity.User {
	if a.deps.Session == nil || r.Header.Get("Authorization") != "" {
		return nil
	}
	return a.deps.Session(r)
}

func (a *API) authenticate(r *http.Request) (caller, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return caller{}, false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	found := -1
	for i := range a.tokens { // all of them, so that time tells nothing
		if subtle.ConstantTimeCompare(sum[:], a.tokens[i].sum[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return caller{}, false
	}
	return a.tokens[found].caller, true
}

type tokenEntry struct {
	sum    [32]byte
	caller caller
}

func tokenTable(tokens []config.Token) []tokenEntry {
	out := make([]tokenEntry, 0, len(tokens))
	for _, t := range tokens {
		out = append(out, tokenEntry{sha256.Sum256([]byte(t.Token)), caller{name: t.Name, roles: t.Roles, partner: t.PartnerID}})
	}
	return out
}

// CheckListen refuses an address others can reach while nobody needs a token.
func CheckListen(listen string, tokens []config.Token) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); len(tokens) == 0 && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("without api.tokens the API serves loopback only, not " + listen)
	}
	return nil
}
