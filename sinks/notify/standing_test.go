package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/config"
)

// manager keeps alerts as Alertmanager does: by their labels, in memory, the last word counting. notified is whom it
// would have woken: once for each alert that begins or ends.
type manager struct {
	*httptest.Server
	mu       sync.Mutex
	ends     map[string]time.Time
	notified []string
	posts    int
	refuse   func(incident string) bool
}

func newManager(t *testing.T) *manager {
	m := &manager{ends: map[string]time.Time{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var p models.PostableAlerts
		err := json.Unmarshal(b, &p)
		if err == nil {
			err = p.Validate(nil)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.posts++
		for _, a := range p {
			if time.Time(a.EndsAt).Before(time.Time(a.StartsAt)) {
				err = fmt.Errorf("%s ends before it starts", a.Labels["incident"])
			}
			if m.refuse != nil && m.refuse(a.Labels["incident"]) {
				err = fmt.Errorf("%s is not wanted", a.Labels["incident"])
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, a := range p {
			id := a.Labels["incident"] + "/" + a.Labels["severity"]
			was, now := time.Now().Before(m.ends[id]), time.Now().Before(time.Time(a.EndsAt))
			m.ends[id] = time.Time(a.EndsAt)
			if was != now {
				m.notified = append(m.notified, fmt.Sprint(id, " ", now))
			}
		}
	}))
	t.Cleanup(m.Close)
	return m
}

// restart loses everything.
func (m *manager) restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends, m.notified = map[string]time.Time{}, nil
}

// firing is what goes on there, sorted.
func (m *manager) firing() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for id, end := range m.ends {
		if time.Now().Before(end) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (m *manager) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !f(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within a minute; firing: %s", what, m.firing())
		}
	}
}

func (m *manager) fires(t *testing.T, want string) {
	t.Helper()
	m.until(t, "firing "+want, func() bool { return m.firing() == want })
}

// refreshed waits until it has been told again at least twice: whatever a refresh does has happened then.
func (m *manager) refreshed(t *testing.T) {
	t.Helper()
	posts := func() int { m.mu.Lock(); defer m.mu.Unlock(); return m.posts }
	from := posts()
	m.until(t, "is told again", func() bool { return posts() >= from+2 })
}

// An Alertmanager that was restarted learns again what goes on, and nothing that has ended; our own restart forgets
// nothing; nobody is notified twice; a webhook hears of each change once.
func TestAlertmanagerIsRefreshed(t *testing.T) {
	base, put := broker(t)
	m, hook := newManager(t), newOther(t, ok)
	o := Options{Base: base, Zone: time.UTC, Registerer: prometheus.NewRegistry(), Config: config.Alerts{GiveUp: config.Duration(time.Hour), Refresh: config.Duration(20 * time.Millisecond),
		Receivers: []config.Receiver{{Name: "am", Type: "alertmanager", URL: m.URL}, {Name: "hook", Type: "webhook", URL: hook.URL}}}}
	_, stop := running(t, o)
	about := func(id string, seq int64, state string) *event.Alert {
		a := spike(seq, state)
		a.AlertId, a.CampaignId = id, "campaign of "+id
		return a
	}
	put(about("a", 1, "firing"), about("b", 1, "firing"), about("c", 1, "firing"), about("c", 2, "resolved"), about("b", 2, "acknowledged"))
	hook.wait(t, 5)
	m.fires(t, "a/critical b/critical")
	m.refreshed(t)
	m.mu.Lock()
	slices.Sort(m.notified)
	if got := strings.Join(m.notified, ", "); got != "a/critical true, b/critical true, c/critical false, c/critical true" {
		t.Errorf("notified: %s", got)
	}
	m.mu.Unlock()

	m.restart()
	m.fires(t, "a/critical b/critical")
	m.refreshed(t)
	m.fires(t, "a/critical b/critical")

	stop()
	m.restart()
	o.Registerer = prometheus.NewRegistry()
	_, stop = running(t, o)
	m.fires(t, "a/critical b/critical")
	put(about("a", 2, "resolved"))
	m.fires(t, "b/critical")
	m.refreshed(t)
	m.fires(t, "b/critical")
	m.mu.Lock()
	m.ends["a/critical"] = time.Now().Add(time.Hour) // another process told it late
	m.mu.Unlock()
	m.fires(t, "b/critical")

	hook.wait(t, 1) // a's end, and nothing of the refreshes
	hook.mu.Lock()
	if len(hook.taken) > 0 {
		t.Errorf("a webhook was refreshed: %d requests", len(hook.taken))
	}
	hook.mu.Unlock()
	stop()
}

// One that Alertmanager does not take is no reason to let it forget the others.
func TestRefreshGoesOnBesideAFailure(t *testing.T) {
	base, put := broker(t)
	m := newManager(t)
	m.refuse = func(incident string) bool { return incident == "bad" }
	_, stop := running(t, Options{Base: base, Zone: time.UTC, Registerer: prometheus.NewRegistry(), Config: config.Alerts{GiveUp: config.Duration(time.Hour), Refresh: config.Duration(20 * time.Millisecond),
		Receivers: []config.Receiver{{Name: "am", Type: "alertmanager", URL: m.URL}}}})
	defer stop()
	good, bad := spike(1, "firing"), spike(1, "firing")
	good.AlertId, bad.AlertId = "good", "bad"
	put(good)
	m.fires(t, "good/critical")
	put(bad)
	m.refreshed(t)
	m.restart()
	m.fires(t, "good/critical")
}

// An incident that was muted, or got worse unheard, ends where it had been told; one that was never told does not.
func TestMutedIncidentEnds(t *testing.T) {
	base, put := broker(t)
	m := newManager(t)
	_, stop := running(t, Options{Base: base, Zone: time.UTC, Registerer: prometheus.NewRegistry(), Config: config.Alerts{GiveUp: config.Duration(time.Hour), Refresh: config.Duration(20 * time.Millisecond),
		Receivers: []config.Receiver{{Name: "am", Type: "alertmanager", URL: m.URL}}}})
	defer stop()
	told, worse, over, never := spike(1, "firing"), spike(2, "firing"), spike(3, "resolved"), spike(2, "resolved")
	told.AlertId, worse.AlertId, over.AlertId, never.AlertId = "told", "told", "told", "never"
	told.Severity, worse.Muted, over.Muted, never.Muted = "warning", true, true, true
	put(told)
	m.fires(t, "told/warning")
	put(worse, never, over)
	m.fires(t, "")
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ends) != 1 {
		t.Errorf("told of what was muted all along: %v", m.ends)
	}
}

// Told again and again, the set of what stands stays as large as what goes on.
func TestStandingsAreSwept(t *testing.T) {
	s, now := standings{}, time.Now()
	for i := range 100 {
		a := spike(1, "firing")
		a.AlertId = fmt.Sprint(i)
		s.take(a, now)
		if i < 90 {
			end := spike(2, "resolved")
			end.AlertId = a.AlertId
			s.take(end, now)
			s.take(a, now) // an older word changes nothing
		}
	}
	s.sweep(now.Add(endedKept))
	if len(s) != 100 {
		t.Errorf("%d are kept for a quarter of an hour, want 100", len(s))
	}
	s.sweep(now.Add(endedKept + time.Second))
	if len(s) != 10 || !s.toldOpen("95") || s.toldOpen("5") {
		t.Errorf("%d stand, want 10", len(s))
	}
}
