package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringfence/ringfence/sinks/notify"
)

var alertKills = flag.Int("alerts.kills", 2, "TestToldOverKills: how often the process is killed between a decision and its notification")

// pager is a webhook's other side. hold, if set, sees each request before it is acknowledged.
type pager struct {
	*httptest.Server
	mu    sync.Mutex
	acked []told
	hold  func(m *notify.Message) bool // false: it is not acknowledged
}

type told struct {
	notify.Message
	at time.Time
}

func newPager(t *testing.T) *pager {
	p := &pager{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		var m notify.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("a webhook that cannot be read: %v", err)
		}
		p.mu.Lock()
		hold := p.hold
		p.mu.Unlock()
		if hold != nil && !hold(&m) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p.mu.Lock()
		p.acked = append(p.acked, told{m, at})
		p.mu.Unlock()
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pager) find(f func(told) bool) (told, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.acked, f); i >= 0 {
		return p.acked[i], true
	}
	return told{}, false
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, within time.Duration, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(within); !f(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

func post(t *testing.T, url string, objects ...any) {
	t.Helper()
	var b bytes.Buffer
	for _, o := range objects {
		if err := json.NewEncoder(&b).Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.Post(url, "application/x-ndjson", &b)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"rejected":[]`)) {
		t.Fatalf("%s: %s: %s", url, resp.Status, body)
	}
}

// settings writes a configuration with receivers.
func settings(t *testing.T, dir string, more string, receivers ...string) string {
	t.Helper()
	policy := filepath.Join(dir, "open.yaml")
	file := filepath.Join(dir, "config.yaml")
	src := "policy: " + policy + "\ncomplaint: {on_spike: stop}\n" + more + "alerts:\n  link: 'http://grafana.example/?campaign={{.Campaign}}&from={{ms .Since}}'\n  receivers:\n"
	for _, r := range receivers {
		src += "    - {" + r + "}\n"
	}
	for name, b := range map[string]string{policy: demoPolicy, file: src} {
		if err := os.WriteFile(name, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// alertmanager is Debian's, on an address of its own.
type alertmanager struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
}

// startAlertmanager starts Debian's, if the environment says where it is; nil = it does not.
func startAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	if os.Getenv("RINGFENCE_ALERTMANAGER") == "" {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &alertmanager{t: t, addr: l.Addr().String()}
	_ = l.Close()
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *alertmanager) url() string { return "http://" + m.addr }

func (m *alertmanager) kill() { _ = m.cmd.Process.Kill(); _ = m.cmd.Wait() }

// start starts it with an empty disk.
func (m *alertmanager) start() {
	m.t.Helper()
	dir := m.t.TempDir()
	file := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.cmd = exec.Command(os.Getenv("RINGFENCE_ALERTMANAGER"), "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+m.addr, "--cluster.listen-address=")
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, "Alertmanager gets ready", 30*time.Second, func() bool {
		resp, err := http.Get(m.url() + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// has tells whether an alert on the campaign is active there.
func (m *alertmanager) has(campaign string) bool {
	resp, err := http.Get(m.url() + "/api/v2/alerts?active=true")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var list []struct {
		Labels map[string]string `json:"labels"`
	}
	return json.NewDecoder(resp.Body).Decode(&list) == nil && slices.ContainsFunc(list, func(a struct {
		Labels map[string]string `json:"labels"`
	}) bool {
		return a.Labels["campaign"] == campaign && a.Labels["alertname"] == "ringfence_complaint_spike"
	})
}

// TestSpikeStopsTheCampaign: complaints about a campaign that is being dialled reach a webhook and Alertmanager, the
// campaign stops, its permits are given back, and it goes on when a person resumes it. It logs how long each takes.
func TestSpikeStopsTheCampaign(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir, page, am := t.TempDir(), newPager(t), startAlertmanager(t)
	receivers := []string{"name: pager, type: webhook, url: '" + page.URL + "', secret: 0123456789"}
	if am != nil {
		receivers = append(receivers, "name: am, type: alertmanager, url: '"+am.url()+"'")
	}
	_, url := up(t, dir, "--config", settings(t, dir, "dialer: {carrier: simulated}\n", receivers...))
	now := func() string { return time.Now().Add(-time.Second).Format(time.RFC3339) }
	post(t, url+"/v1/campaigns", map[string]any{"campaign_id": "hot", "at": now(), "purpose": "survey", "status": "running", "script_version": "1", "caller_ids": []string{"10010"}, "pacing": map[string]any{"mode": "progressive"}})
	var leads, agents []any
	for i := range 2000 {
		leads = append(leads, map[string]any{"lead_id": fmt.Sprint("l", i), "campaign_id": "hot", "customer_id": fmt.Sprint("H", i), "numbers": []string{fmt.Sprintf("+8619900%06d", i)}, "at": now()})
	}
	for i := range 30 {
		agents = append(agents, map[string]any{"agent_id": fmt.Sprint("h", i), "state": "available", "at": now(), "campaign_id": "hot"})
	}
	post(t, url+"/v1/leads", leads...)
	post(t, url+"/v1/agent-states", agents...)
	sql := func(q string) string { return ask(t, 0, "sql", q, "--format", "TSV", "--url", url) }
	number := func(q string) float64 {
		f, err := strconv.ParseFloat(sql(q), 64)
		if err != nil {
			return 0
		}
		return f
	}
	eventually(t, "the campaign is dialled", 60*time.Second, func() bool {
		return number("SELECT count() FROM permits WHERE campaign_id = 'hot' AND decision = 'permit'") > 30
	})

	sent := map[int64]time.Time{}
	var alert told
	for i := 0; alert.ID == ""; i++ {
		if i == 100 {
			t.Fatal("a hundred complaints are no spike")
		}
		at := time.Now()
		sent[at.UnixMilli()] = at
		post(t, url+"/v1/complaints", map[string]any{"complaint_id": fmt.Sprint("hc", i), "event": "opened", "at": at.Format("2006-01-02T15:04:05.000Z07:00"), "customer_id": fmt.Sprint("H", i), "campaign_id": "hot", "agent_id": fmt.Sprint("h", i%30), "handling": "self"})
		for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline) && alert.ID == ""; {
			alert, _ = page.find(func(m told) bool { return m.Kind == "complaint_spike" && m.Campaign == "hot" })
		}
	}
	crossed, ok := sent[alert.At.UnixMilli()]
	if !ok || alert.State != "firing" || alert.Seq != 1 || alert.Severity != "critical" || !strings.Contains(alert.Done, "was stopped") || !strings.Contains(alert.Link, "campaign=hot") {
		t.Fatalf("%+v", alert)
	}
	t.Logf("complaint %d of %d crossed the line; at the webhook after %v", alert.Count, len(sent), alert.at.Sub(crossed).Round(time.Millisecond))
	if am != nil {
		eventually(t, "the alert is in Alertmanager", 20*time.Second, func() bool { return am.has("hot") })
		t.Logf("in Alertmanager (asked after the webhook) after %v at most", time.Since(crossed).Round(time.Millisecond))
	}
	eventually(t, "the alert is listed", 20*time.Second, func() bool {
		got := ask(t, 0, "alerts", "list", "--open", "--url", url)
		return strings.Contains(got, "campaign hot") && strings.Contains(got, "was stopped")
	})
	const onTheLine = 30 // each agent has one call at most; a permit is out until its call is reported
	eventually(t, "the permits that were not dialled are given back", 30*time.Second, func() bool {
		return number("SELECT countIf(status = 'released') FROM permits_current WHERE campaign_id = 'hot'") > 0 && number("SELECT countIf(status = 'out') FROM permits_current WHERE campaign_id = 'hot'") <= onTheLine
	})
	t.Logf("no permit is out but of calls on the line, after %v", time.Since(crossed).Round(time.Millisecond))
	if am != nil { // measured: every call is waited for, which takes minutes
		eventually(t, "the calls on the line end", 15*time.Minute, func() bool {
			return number("SELECT countIf(status = 'out') FROM permits_current WHERE campaign_id = 'hot'") == 0
		})
		last := time.UnixMilli(int64(number("SELECT toUnixTimestamp64Milli(max(started_at)) FROM calls_current WHERE campaign_id = 'hot'")))
		t.Logf("of %.0f calls the last was dialled %v after the complaint", number("SELECT count() FROM calls_current WHERE campaign_id = 'hot'"), last.Sub(crossed).Round(time.Millisecond))
		if last.Sub(crossed) > 5*time.Second {
			t.Errorf("dialled %v after the complaint that crossed the line", last.Sub(crossed))
		}
	}
	stopped := number("SELECT toUnixTimestamp64Milli(min(at)) FROM campaign_signals WHERE campaign_id = 'hot' AND verdict = 'stop'")
	if n := number(fmt.Sprintf("SELECT count() FROM permits WHERE campaign_id = 'hot' AND at > fromUnixTimestamp64Milli(%.0f)", stopped+10_000)); n > 0 {
		t.Errorf("%g permits were asked for a campaign that was stopped", n)
	}
	asked := number("SELECT count() FROM permits WHERE campaign_id = 'hot'")
	ask(t, 2, "campaigns", "resume", "hot", "--url", url)
	ask(t, 2, "campaigns", "resume", "hot", "--reason", "no", "--url", url)
	resumed := time.Now()
	ask(t, 0, "campaigns", "resume", "hot", "--reason", "the script was corrected", "--url", url)
	eventually(t, "the webhook hears that it is over", 30*time.Second, func() bool {
		_, ok := page.find(func(m told) bool {
			return m.Incident == alert.Incident && m.State == "resolved" && m.Note == "the script was corrected"
		})
		return ok
	})
	eventually(t, "the campaign is dialled again", 60*time.Second, func() bool { return number("SELECT count() FROM permits WHERE campaign_id = 'hot'") > asked })
	t.Logf("dialled again %v after it was resumed", time.Since(resumed).Round(time.Millisecond))
	if am != nil {
		eventually(t, "Alertmanager knows that it is over", 20*time.Second, func() bool { return !am.has("hot") })
	}
}

// TestSeriousComplaint: a complaint that is graded serious puts its customer on the blacklist before the next permit (BL-07),
// holds the recording of its call (RET-05), and tells somebody.
func TestSeriousComplaint(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir, page := t.TempDir(), newPager(t)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("alerts:\n  receivers:\n    - {name: pager, type: webhook, url: '"+page.URL+"'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, url := up(t, dir, "--config", file)
	at := func(ago time.Duration) string { return time.Now().Add(-ago).Format(time.RFC3339) }
	post(t, url+"/v1/calls", map[string]any{"call_id": "sold-badly", "customer_id": "S1", "purpose": "sales", "campaign_id": "tv", "agent_id": "s1", "started_at": at(time.Hour), "answered_at": at(time.Hour), "bridged_at": at(time.Hour),
		"ended_at": at(50 * time.Minute), "outcome": "answered", "answered_by": "human", "recording": map[string]any{"uri": "sold-badly.wav", "size_bytes": 99_000, "duration_ms": 600_000}})
	denied := func(customer string) string {
		body := `{"request_id":"` + customer + time.Now().Format(time.RFC3339Nano) + `","customer_id":"` + customer + `","purpose":"sales","products":["tv"],"caller_id":"10010"}`
		resp, err := http.Post(url+"/v1/permits", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := denied("S1"); strings.Contains(got, "BL-07") {
		t.Fatalf("before the complaint: %s", got)
	}
	complaint := func(name string, ago time.Duration, more map[string]any) {
		more["complaint_id"], more["event"], more["at"], more["customer_id"], more["call_id"] = "bad", name, at(ago), "S1", "sold-badly"
		post(t, url+"/v1/complaints", more)
	}
	complaint("opened", 3*time.Second, map[string]any{})
	complaint("graded", 2*time.Second, map[string]any{"severity": "serious"})
	if got := denied("S1"); !strings.Contains(got, `"BL-07"`) {
		t.Errorf("after it was graded: %s", got)
	}
	eventually(t, "the webhook is told", 60*time.Second, func() bool {
		m, ok := page.find(func(m told) bool { return m.Kind == "complaint_serious" })
		return ok && m.State == "firing" && m.Severity == "critical" && m.EscalateTo == "department_head" && slices.Equal(m.Calls, []string{"sold-badly"})
	})
	held := func() string {
		return ask(t, 0, "sql", "SELECT hold, held_by FROM recordings WHERE call_id = 'sold-badly'", "--format", "TSV", "--url", url)
	}
	eventually(t, "the recording is held", 60*time.Second, func() bool { return held() == "1\t['bad']" })
	complaint("resolved", 0, map[string]any{})
	eventually(t, "the webhook is told that it is closed", 60*time.Second, func() bool {
		_, ok := page.find(func(m told) bool { return m.Kind == "complaint_serious" && m.State == "resolved" && m.Seq == 2 })
		return ok
	})
	eventually(t, "the recording is held no more", 60*time.Second, func() bool { return held() == "0\t[]" })
	if got := denied("S1"); !strings.Contains(got, `"BL-07"`) {
		t.Errorf("the customer has left the list with the complaint: %s", got)
	}
}

// TestAlertmanagerForgets: an Alertmanager that lost everything learns again what goes on, from a process that runs and
// from one that starts; what has ended stays ended.
func TestAlertmanagerForgets(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	am := startAlertmanager(t)
	if am == nil {
		t.Skip("needs Debian's Alertmanager: make test-alerts")
	}
	dir := t.TempDir()
	args := []string{"--config", settings(t, dir, "", "name: am, type: alertmanager, url: '"+am.url()+"'"), "--set", "roles=[api, contactcap, complaint, alerts]", "--set", "alerts.refresh=2s"}
	p, url := up(t, dir, args...)
	var complaints []any
	for i := range 8 {
		at := time.Now().Add(time.Duration(i-10) * time.Second).Format(time.RFC3339)
		complaints = append(complaints, map[string]any{"complaint_id": fmt.Sprint("f", i), "event": "opened", "at": at, "customer_id": fmt.Sprint("F", i), "campaign_id": "kept", "agent_id": "f"})
	}
	post(t, url+"/v1/complaints", complaints...)
	has := func() bool { return am.has("kept") }
	eventually(t, "the alert is in Alertmanager", 60*time.Second, has)
	am.kill()
	am.start()
	begin := time.Now()
	eventually(t, "a restarted Alertmanager knows the alert", 60*time.Second, has)
	t.Logf("alerts.refresh=2s: known again %v after Alertmanager's restart", time.Since(begin).Round(10*time.Millisecond))
	_ = p.Process.Kill()
	<-p.done
	am.kill()
	am.start()
	begin = time.Now()
	_, url = up(t, dir, args...)
	eventually(t, "both restarted, the alert is known", 60*time.Second, has)
	t.Logf("both restarted: known again %v after ours began to start", time.Since(begin).Round(10*time.Millisecond))
	ask(t, 0, "campaigns", "resume", "kept", "--reason", "the script was corrected", "--url", url)
	eventually(t, "it is over in Alertmanager", 30*time.Second, func() bool { return !has() })
	for until := time.Now().Add(7 * time.Second); time.Now().Before(until); { // three refreshes
		if has() {
			t.Fatal("what was over fires again")
		}
	}
}

// TestToldOverKills kills the process between the decision and its notification, again and again: at the moment a
// request is on its way and not acknowledged, or some time after the complaints were accepted. Each incident is told at
// least once, and no change of state was acknowledged twice.
func TestToldOverKills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir, page := t.TempDir(), newPager(t)
	config := settings(t, dir, "", "name: pager, type: webhook, url: '"+page.URL+"', kinds: [complaint_spike]")
	r := rand.New(rand.NewPCG(7, 7))
	args := []string{"--config", config, "--set", "roles=[api, contactcap, complaint, alerts]"}
	p, url := up(t, dir, args...)
	for round := range *alertKills {
		campaign := fmt.Sprint("k", round)
		reached := make(chan struct{})
		once := sync.OnceFunc(func() { close(reached) })
		page.mu.Lock()
		page.hold = nil
		if round%2 == 0 {
			killed := false
			page.hold = func(m *notify.Message) bool {
				if m.Campaign != campaign || killed {
					return true
				}
				killed = true
				_ = p.Process.Kill() // it never hears the answer
				<-p.done
				once()
				return false
			}
		}
		page.mu.Unlock()
		var complaints []any
		for i := range 8 {
			at := time.Now().Add(time.Duration(i-10) * time.Second).Format(time.RFC3339)
			complaints = append(complaints, map[string]any{"complaint_id": fmt.Sprint(campaign, "-", i), "event": "opened", "at": at, "customer_id": fmt.Sprint("K", round, "-", i), "campaign_id": campaign, "agent_id": fmt.Sprint("a", round), "partner_id": fmt.Sprint("p", round)})
		}
		post(t, url+"/v1/complaints", complaints...)
		if round%2 == 0 {
			select {
			case <-reached:
			case <-time.After(60 * time.Second):
				t.Fatalf("round %d: the webhook was never called\n%s", round, tail(p.errs.String()))
			}
		} else {
			timer := time.NewTimer(time.Duration(r.IntN(900)) * time.Millisecond)
			<-timer.C
			_ = p.Process.Kill()
			<-p.done
		}
		p, url = up(t, dir, args...)
		eventually(t, "the incident of "+campaign+" is told", 60*time.Second, func() bool {
			_, ok := page.find(func(m told) bool { return m.Campaign == campaign && m.State == "firing" })
			return ok
		})
	}
	page.mu.Lock()
	defer page.mu.Unlock()
	times := map[string]int{}
	for _, m := range page.acked {
		times[m.ID]++
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was acknowledged %d times", id, n)
		}
	}
	t.Logf("%d kills, %d changes of state told, each acknowledged once", *alertKills, len(times))
}
