package httpapi

import "net/http"

// Whole serves what shows or changes more than one partner's part: a token confined to a partner gets 403 (REP-04).
// Every handler is either wrapped in it or confines what it does to Partner(r).
func Whole(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own := Partner(r); own != "" {
			fail(w, http.StatusForbidden, "The token may not do this", "it is confined to partner "+own+", and this is about all of them")
			return
		}
		h.ServeHTTP(w, r)
	})
}
