package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/client"
)

// server answers the contract's requests as a system without caps would, keeps what it was told by id, and can be
// told to break down after a number of permits.
type server struct {
	mu      sync.Mutex
	calls   map[string]string // call id -> body
	permits map[string]string // request id -> permit id
	gone    map[string]bool   // released
	asked   int
	breakAt int
}

var errBroken = errors.New("broken on purpose")

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method == http.MethodDelete:
		s.gone[strings.TrimPrefix(r.URL.Path, "/v1/permits/")] = true
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/v1/permits":
		s.asked++
		if s.breakAt > 0 && s.asked > s.breakAt {
			http.Error(w, errBroken.Error(), http.StatusInternalServerError)
			return
		}
		var p client.PermitRequest
		_ = json.NewDecoder(r.Body).Decode(&p)
		at, _ := time.Parse(time.RFC3339, p.At)
		s.permits[p.RequestID] = "p-" + p.RequestID
		_ = json.NewEncoder(w).Encode(map[string]any{"decision": "permit", "permit_id": "p-" + p.RequestID, "at": at, "expires_at": at.Add(time.Minute)})
	default:
		n := 0
		sc := bufio.NewScanner(r.Body)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			n++
			if r.URL.Path == "/v1/calls" {
				var c client.Call
				_ = json.Unmarshal(sc.Bytes(), &c)
				s.calls[c.CallID] = sc.Text()
			}
		}
		_, _ = fmt.Fprintf(w, `{"accepted":%d,"rejected":[]}`, n)
	}
}

func newServer() *server {
	return &server{calls: map[string]string{}, permits: map[string]string{}, gone: map[string]bool{}}
}

func centre(t *testing.T, dir string, s *server) *Centre {
	t.Helper()
	loc, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Seed: 7, Dir: dir, Location: loc, Days: 1, Now: func() time.Time { return time.Date(2026, 3, 20, 23, 0, 0, 0, loc) },
		Client: &client.Client{Base: "http://centre", HTTP: &http.Client{Transport: client.InProcess(s)}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A centre that was cut off in the middle of a day and started again has made the same calls as one that was not.
func TestACutOffCentreGoesOnTheSame(t *testing.T) {
	whole := newServer()
	if err := centre(t, t.TempDir(), whole).History(t.Context()); err != nil {
		t.Fatal(err)
	}
	cut, dir := newServer(), t.TempDir()
	for _, at := range []int{1, 500, 5000} {
		cut.breakAt = cut.asked + at
		if err := centre(t, dir, cut).History(t.Context()); err == nil {
			t.Fatal("the break was not noticed")
		}
	}
	cut.breakAt = 0
	if err := centre(t, dir, cut).History(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole.calls, cut.calls); diff != "" {
		t.Errorf("calls differ (-whole +cut): %.2000s", diff)
	}
	if diff := cmp.Diff(whole.permits, cut.permits); diff != "" {
		t.Errorf("permits differ: %.500s", diff)
	}
	if len(whole.calls) < 8000 {
		t.Errorf("a day of forty agents made only %d calls", len(whole.calls))
	}
}

// Every permit became a call or was given back; nothing is left out over night.
func TestNoPermitIsLeftOver(t *testing.T) {
	s := newServer()
	c := centre(t, t.TempDir(), s)
	if err := c.History(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left []string
	for request, permit := range s.permits {
		if _, called := s.calls[request]; called == s.gone[permit] {
			left = append(left, permit)
		}
	}
	sort.Strings(left)
	if len(left) > 0 {
		t.Errorf("%d permits neither used nor given back, or both: %v", len(left), left[:min(5, len(left))])
	}
	if got := c.Totals().Calls; got != len(s.calls) {
		t.Errorf("the centre counts %d calls, the server has %d", got, len(s.calls))
	}
}

func TestCaughtUp(t *testing.T) {
	s := newServer()
	c := centre(t, t.TempDir(), s)
	if c.CaughtUp() {
		t.Fatal("a new centre has its first stretch before it")
	}
	if err := c.History(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !c.CaughtUp() {
		t.Fatal("one day ago was used up, today is not over")
	}
}

// The old dialer recorded what was connected, and nothing else (RET-01).
func TestEarlierCallsAreRecorded(t *testing.T) {
	n := 0
	for _, c := range newWorld(1, time.UTC).earlier(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()) {
		if connected := c.AnsweredAt != ""; connected != (c.Recording != nil) {
			t.Fatalf("connected: %t, recording: %+v", connected, c.Recording)
		} else if connected {
			n++
		}
	}
	if n == 0 {
		t.Error("none was connected")
	}
}
