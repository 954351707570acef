package app

import (
	"encoding/json"
	"net/http"
	"sort"
	"sync"
)

// health answers /healthz (the process lives) and /readyz (it does its work, or why not yet).
type health struct {
	mu     sync.Mutex
	checks map[string]func() (ready bool, detail string)
}

func newHealth() *health { return &health{checks: map[string]func() (bool, string){}} }

func (h *health) add(name string, check func() (bool, string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
}

// component is one line of the answer.
type component struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Detail string `json:"detail,omitempty"`
}

func (h *health) state() (bool, []component) {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := make([]string, 0, len(h.checks))
	for n := range h.checks {
		names = append(names, n)
	}
	sort.Strings(names)
	all := true
	out := make([]component, 0, len(names))
	for _, n := range names {
		ok, detail := h.checks[n]()
		all = all && ok
		out = append(out, component{n, ok, detail})
	}
	return all, out
}

func (h *health) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
}

func (h *health) ready(w http.ResponseWriter, _ *http.Request) {
	ok, parts := h.state()
	w.Header().Set("Content-Type", "application/json")
	status := "ready"
	if !ok {
		status = "not ready"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "components": parts})
}
