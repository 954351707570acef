package app

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// What is wrong with a question is pointed to, with the status the contract gives it (CONTRACT.md section 1).
func TestWhatIsWrongWithAQuestionIsPointedTo(t *testing.T) {
	for _, c := range []struct {
		query, pointer string
		status         int
	}{
		{"metric=calls_made&form=2026-11-24", "/form", 400},
		{"from=2026-11-24", "/metric", 400},
		{"metric=calls_mad", "/metric", 422},
		{"metric=calls_made&from=yesterday", "/from", 422},
		{"metric=calls_made&where=campaign", "/where", 422},
		{"metric=calls_made&by=moon", "/by", 422},
		{"metric=calls_made&from=2026-11-24&to=2026-11-23", "/to", 422},
	} {
		q, _, err := (&App{zone: time.UTC}).question(httptest.NewRequest("GET", "/v1/kpi?"+c.query, nil))
		if err == nil {
			_, err = kpi.Ask(t.Context(), nil, q)
		}
		w := httptest.NewRecorder()
		kpiProblem(w, err)
		var p struct {
			Status int
			Errors []struct{ Pointer, Detail string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if w.Code != c.status || p.Status != c.status || len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer || p.Errors[0].Detail == "" {
			t.Errorf("%s: %d %s, want %d at %s", c.query, w.Code, w.Body, c.status, c.pointer)
		}
	}
}
