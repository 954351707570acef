package httpapi

import (
	"net/http"
	"testing"

	"github.com/ringfence/ringfence/internal/config"
)

// A token confined to a partner, whatever its roles, sees and changes nothing that is about all of them (REP-04).
func TestAConfinedTokenGetsNothingOfAll(t *testing.T) {
	b := start(t, func(c *config.Config) {
		c.API.Tokens = []config.Token{{Token: "confined-token-01", Roles: []string{"admin"}, PartnerID: "blue"}, {Token: "whole-token-01234", Roles: []string{"admin"}}}
	})
	b.Handle("GET /v1/whole", Whole(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	for path, method := range map[string]string{"/v1/whole": "GET", "/v1/dead-letter": "GET", "/v1/dead-letter/replay": "POST"} {
		if status, body := b.do(method, path, "application/json", `{"source":"x"}`, "Authorization", "Bearer confined-token-01"); status != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", method, path, status, body)
		}
		if status, body := b.do(method, path, "application/json", `{"source":"x"}`, "Authorization", "Bearer whole-token-01234"); status/100 != 2 {
			t.Errorf("%s %s without confinement: %d %s", method, path, status, body)
		}
	}
}
