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
)

// caller is who sent a request.
type caller struct {
	name    string
	roles   []string
	partner string // "" = not confined
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

func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// guard lets in who holds a token with one of the roles. Without configured tokens it lets in everybody: the address
// is loopback then.
func (a *API) guard(h http.Handler, roles ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := caller{name: "local", roles: []string{"admin"}}
		if len(a.tokens) > 0 {
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
		out = append(out, tokenEntry{sha256.Sum256([]byte(t.Token)), caller{t.Name, t.Roles, t.PartnerID}})
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
