package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/client_golang/prometheus"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/embedded"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func spike(seq int64, state string) *event.Alert {
	at := time.Date(2026, 11, 24, 6, 30, 0, 0, time.UTC).UnixMilli()
	return &event.Alert{AlertId: "complaint_spike|campaign|broadband|1", Kind: "complaint_spike", CampaignId: "broadband", Dimension: "campaign", Subject: "broadband", State: state, Severity: "critical",
		At: at, Since: at - 3600_000, DecidedAt: time.Now().UnixMilli(), Seq: seq, Count: 12, Base: 310, Expected: 1.4, Rate: 0.0387, RateBefore: 0.0046, FalsePerYear: 0.0004, PValue: 3e-8, WindowMs: 4 * 3600_000,
		Detail: "12 complaints in 4 h on 310 connected calls", CallIds: []string{"c1", "c2", "c3", "c4", "c5"}, Also: []string{"partner blue"}, Done: "the campaign was stopped", Action: "stop"}
}

// request is one that a receiver was sent.
type request struct {
	path   string
	query  url.Values
	header http.Header
	body   []byte
}

// other is the other side: it answers as told and keeps what it acknowledged.
type other struct {
	*httptest.Server
	mu     sync.Mutex
	taken  []request
	answer func(n int) (status int, body string) // of the nth request, from 1
	n      int
	took   chan struct{}
}

func newOther(t *testing.T, answer func(n int) (int, string)) *other {
	o := &other{answer: answer, took: make(chan struct{}, 1000)}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.n++
		status, body := o.answer(o.n)
		if status/100 == 2 && !strings.Contains(body, "130101") {
			o.taken = append(o.taken, request{r.URL.Path, r.URL.Query(), r.Header, b})
			o.took <- struct{}{}
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(o.Close)
	return o
}

func ok(int) (int, string) { return 200, `{"errcode":0}` }

func (o *other) wait(t *testing.T, n int) []request {
	t.Helper()
	for range n {
		select {
		case <-o.took:
		case <-time.After(60 * time.Second):
			t.Fatal("was not told within a minute")
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.taken
	o.taken = nil
	return out
}

// send delivers one message by a receiver of its own.
func send(t *testing.T, r config.Receiver, a *event.Alert) error {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	r.Name = "x"
	n, err := New(Options{Config: config.Alerts{Link: "https://grafana.example/d/complaints?var-campaign={{.Campaign}}&from={{ms .Since}}", Receivers: []config.Receiver{r}}, Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.receivers[0].texts.Message(a)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	return n.receivers[0].sender.send(t.Context(), m)
}

func TestWebhookIsSigned(t *testing.T) {
	o := newOther(t, ok)
	if err := send(t, config.Receiver{Type: "webhook", URL: o.URL + "/hook", Secret: "a secret of the two"}, spike(1, "firing")); err != nil {
		t.Fatal(err)
	}
	got := o.wait(t, 1)[0]
	w, err := webhooks.NewWebhookRaw([]byte("a secret of the two"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(got.body, got.header); err != nil {
		t.Errorf("the signature: %v", err)
	}
	var m Message
	if err := json.Unmarshal(got.body, &m); err != nil {
		t.Fatal(err)
	}
	if m.ID != "complaint_spike|campaign|broadband|1/1" || got.header.Get("Webhook-Id") != m.ID || m.Campaign != "broadband" || len(m.Calls) != 5 || m.Count != 12 || m.Done == "" ||
		m.Link != "https://grafana.example/d/complaints?var-campaign=broadband&from=1795498200000" || m.Title != "CRITICAL: complaint spike, campaign broadband" {
		t.Errorf("%s", got.body)
	}
}

func TestAlertmanager(t *testing.T) {
	o := newOther(t, ok)
	for i, a := range []*event.Alert{spike(1, "firing"), spike(2, "resolved")} {
		if err := send(t, config.Receiver{Type: "alertmanager", URL: o.URL}, a); err != nil {
			t.Fatal(err)
		}
		got := o.wait(t, 1)[0]
		var p models.PostableAlerts
		if err := json.Unmarshal(got.body, &p); err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(nil); err != nil {
			t.Errorf("Alertmanager's own model refuses it: %v", err)
		}
		ends := time.Until(time.Time(p[0].EndsAt))
		if got.path != "/api/v2/alerts" || len(p) != 1 || p[0].Labels["alertname"] != "ringfence_complaint_spike" || p[0].Labels["campaign"] != "broadband" || p[0].Labels["severity"] != "critical" ||
			!strings.Contains(p[0].Annotations["description"], "12 complaints") || i == 0 && ends < 24*time.Hour || i == 1 && ends > time.Second {
			t.Errorf("%s: %s", got.path, got.body)
		}
	}
	worse := spike(2, "firing") // a warning that became critical is another alert there: the first one ends
	if err := send(t, config.Receiver{Type: "alertmanager", URL: o.URL}, worse); err != nil {
		t.Fatal(err)
	}
	var p models.PostableAlerts
	if err := json.Unmarshal(o.wait(t, 1)[0].body, &p); err != nil || len(p) != 2 || p[1].Labels["severity"] != "warning" || time.Until(time.Time(p[1].EndsAt)) > time.Second {
		t.Errorf("%v %v", err, p)
	}
}

func TestChats(t *testing.T) {
	for _, c := range []struct {
		kind, language string
		path           func(m map[string]any) string // the text
		want           []string
	}{
		{"dingtalk", "zh", func(m map[string]any) string { return m["markdown"].(map[string]any)["text"].(string) }, []string{"【紧急】投诉激增", "12 起投诉", "优先收听:c1、c2", "https://grafana.example"}},
		{"wecom", "", func(m map[string]any) string { return m["markdown"].(map[string]any)["content"].(string) }, []string{"**CRITICAL: complaint spike", "Listen first: c1, c2", "Done by itself: the campaign was stopped"}},
		{"feishu", "", func(m map[string]any) string { return m["content"].(map[string]any)["text"].(string) }, []string{"Since 2026-11-24 13:30", "before: 4.60 per 1,000 calls"}},
		{"slack", "", func(m map[string]any) string { return m["text"].(string) }, []string{"Chance alone does this 0.0004 times a year", "Also: partner blue"}},
	} {
		o := newOther(t, ok)
		if err := send(t, config.Receiver{Type: c.kind, URL: o.URL + "/robot?access_token=t", Secret: "SEC1", Language: c.language}, spike(1, "firing")); err != nil {
			t.Fatalf("%s: %v", c.kind, err)
		}
		got := o.wait(t, 1)[0]
		var m map[string]any
		if err := json.Unmarshal(got.body, &m); err != nil {
			t.Fatalf("%s: %v: %s", c.kind, err, got.body)
		}
		for _, w := range c.want {
			if !strings.Contains(c.path(m), w) {
				t.Errorf("%s: %q is not in %q", c.kind, w, c.path(m))
			}
		}
		switch c.kind {
		case "dingtalk":
			ts := got.query.Get("timestamp")
			if got.query.Get("access_token") != "t" || got.query.Get("sign") != mac("SEC1", ts+"\nSEC1") {
				t.Errorf("dingtalk's signature: %v", got.query)
			}
		case "feishu":
			if m["sign"] != mac(fmt.Sprint(m["timestamp"], "\nSEC1"), "") {
				t.Errorf("feishu's signature: %s", got.body)
			}
		}
		// They answer 200 and refuse in the body.
		refusing := newOther(t, func(int) (int, string) { return 200, `{"errcode":130101,"code":0,"errmsg":"send too fast"}` })
		if err := send(t, config.Receiver{Type: c.kind, URL: refusing.URL}, spike(1, "firing")); c.kind != "slack" && (err == nil || !strings.Contains(err.Error(), "send too fast")) {
			t.Errorf("%s: a refusal is taken for an acknowledgement: %v", c.kind, err)
		}
	}
	// A chat's address is its password: no error names it.
	if err := send(t, config.Receiver{Type: "slack", URL: "http://127.0.0.1:1/secret-path"}, spike(1, "firing")); err == nil || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("%v", err)
	}
}

// The mail server of RFC 5321, as far as a message needs one.
func TestEmail(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	mailed := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		r := bufio.NewReader(c)
		say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
		say("220 mail")
		var data strings.Builder
		for in := false; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch word := strings.ToUpper(strings.TrimSpace(line)); {
			case in && line == ".\r\n":
				in = false
				mailed <- data.String()
				say("250 taken")
			case in:
				data.WriteString(line)
			case strings.HasPrefix(word, "EHLO"):
				say("250 mail")
			case word == "DATA":
				in = true
				say("354 go on")
			case word == "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}()
	if err := send(t, config.Receiver{Type: "email", URL: "smtp://" + l.Addr().String(), From: "ringfence@example.com", To: []string{"boss@example.com"}}, spike(2, "resolved")); err != nil {
		t.Fatal(err)
	}
	got := <-mailed
	for _, w := range []string{"To: <boss@example.com>", "Message-ID: <complaint_spike.campaign.broadband.1.2@ringfence>", "References: <complaint_spike.campaign.broadband.1.1@ringfence>", "Subject: resolved: complaint spike, campaign broadband"} {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not in\n%s", w, got)
		}
	}
}

func TestBadTemplates(t *testing.T) {
	for link, want := range map[string]string{"{{.Nothing}}": "alerts.link", "{{": "alerts.link"} {
		if _, err := New(Options{Config: config.Alerts{Link: link, Receivers: []config.Receiver{{Name: "x", Type: "slack", URL: "http://x"}}}, Zone: time.UTC}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("link %q: %v", link, err)
		}
	}
}

// broker is a real one with the topic of alerts.
func broker(t *testing.T) ([]kgo.Opt, func(as ...*event.Alert)) {
	k, err := embedded.StartKafka(embedded.KafkaOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	base := []kgo.Opt{kgo.SeedBrokers(k.Addrs()...)}
	cl, err := kgo.NewClient(base...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := kadm.NewClient(cl).CreateTopics(t.Context(), 4, 1, nil, event.TopicAlerts); err != nil {
		t.Fatal(err)
	}
	return base, func(as ...*event.Alert) {
		for _, a := range as {
			v, err := a.MarshalVT()
			if err == nil {
				err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: event.TopicAlerts, Key: []byte(a.CampaignId), Value: v}).FirstErr()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func running(t *testing.T, o Options) (*Notifier, func()) {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return n, stop
}

// Every change is told once, in order, over restarts; a receiver that is away holds up nobody and is told later; muted
// ones, those of the past and those a receiver did not ask for are not told.
func TestToldOnceOverRestarts(t *testing.T) {
	base, put := broker(t)
	var away sync.Map
	good := newOther(t, ok)
	bad := newOther(t, func(int) (int, string) {
		if _, yes := away.Load("bad"); yes {
			return 503, "not now"
		}
		return 200, ""
	})
	away.Store("bad", true)
	cfg := config.Alerts{GiveUp: config.Duration(time.Hour), Receivers: []config.Receiver{{Name: "good", Type: "webhook", URL: good.URL}, {Name: "bad", Type: "webhook", URL: bad.URL, Kinds: []string{"complaint_spike"}}}}
	o := Options{Base: base, Config: cfg, Zone: time.UTC, Registerer: prometheus.NewRegistry()}
	n, stop := running(t, o)
	muted, past, other := spike(1, "firing"), spike(1, "firing"), spike(1, "firing")
	muted.AlertId, muted.Muted = "muted", true
	past.AlertId, past.Past = "past", true
	other.AlertId, other.Kind = "other", "dial_volume"
	put(muted, past, other, spike(1, "firing"))
	ids := func(rs []request) string {
		var out []string
		for _, r := range rs {
			out = append(out, r.header.Get("Webhook-Id"))
		}
		return strings.Join(out, " ")
	}
	if got := ids(good.wait(t, 2)); got != "other/1 complaint_spike|campaign|broadband|1/1" {
		t.Errorf("told: %s", got)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if ready, detail := n.Status(); ready && strings.Contains(detail, "bad cannot be told since") && strings.Contains(detail, "503") {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("status: %s", detail)
		}
	}
	stop()
	o.Registerer = prometheus.NewRegistry()
	_, stop = running(t, o)
	put(spike(2, "acknowledged"), spike(3, "resolved"))
	if got := ids(good.wait(t, 2)); got != "complaint_spike|campaign|broadband|1/2 complaint_spike|campaign|broadband|1/3" {
		t.Errorf("told after the restart: %s", got)
	}
	away.Delete("bad")
	if got := ids(bad.wait(t, 3)); got != "complaint_spike|campaign|broadband|1/1 complaint_spike|campaign|broadband|1/2 complaint_spike|campaign|broadband|1/3" {
		t.Errorf("told when it was back: %s", got)
	}
	stop()
	o.Registerer = prometheus.NewRegistry()
	_, stop = running(t, o)
	last := spike(1, "firing")
	last.AlertId = "last"
	put(last)
	if got := ids(good.wait(t, 1)) + " " + ids(bad.wait(t, 1)); got != "last/1 last/1" {
		t.Errorf("told twice: %s", got)
	}
	stop()
}

// Two processes share a receiver: each change is told by one of them.
func TestTwoProcesses(t *testing.T) {
	base, put := broker(t)
	o := newOther(t, ok)
	opt := Options{Base: base, Config: config.Alerts{GiveUp: config.Duration(time.Hour), Receivers: []config.Receiver{{Name: "one", Type: "webhook", URL: o.URL}}}, Zone: time.UTC}
	_, stopOne := running(t, opt)
	seen := map[string]int{}
	n := 0
	tell := func(k int) {
		for range k {
			n++
			a := spike(1, "firing")
			a.AlertId, a.CampaignId = fmt.Sprint("a", n), fmt.Sprint("c", n)
			put(a)
		}
		for _, r := range o.wait(t, k) {
			seen[r.header.Get("Webhook-Id")]++
		}
	}
	tell(10)
	_, stopTwo := running(t, opt)
	tell(20)
	stopOne()
	tell(20)
	stopTwo()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was told %d times", id, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d were told", len(seen), n)
	}
}

// What a receiver does not take for too long is given up, and the next is told.
func TestGivenUp(t *testing.T) {
	base, put := broker(t)
	o := newOther(t, func(n int) (int, string) {
		if n == 1 {
			return 400, "no such alert"
		}
		return 200, ""
	})
	reg := prometheus.NewRegistry()
	_, stop := running(t, Options{Base: base, Config: config.Alerts{GiveUp: config.Duration(time.Hour), Receivers: []config.Receiver{{Name: "one", Type: "webhook", URL: o.URL}}}, Zone: time.UTC, Registerer: reg})
	defer stop()
	old, next := spike(1, "firing"), spike(1, "firing")
	old.DecidedAt -= 2 * 3600_000
	next.AlertId = "next"
	put(old, next)
	if got := o.wait(t, 1)[0].header.Get("Webhook-Id"); got != "next/1" {
		t.Errorf("told: %s", got)
	}
}

// Whatever a chat answers, it is either an acknowledgement or an error, and never a crash.
func FuzzRefusal(f *testing.F) {
	for _, s := range []string{`{"errcode":0,"errmsg":"ok"}`, `{"code":19001,"msg":"param invalid"}`, `{"StatusCode":0}`, `ok`, `[]`, `{"errcode":"x"}`, ``} {
		f.Add("dingtalk", []byte(s))
		f.Add("feishu", []byte(s))
	}
	f.Fuzz(func(t *testing.T, kind string, answer []byte) {
		if err := refusal(kind, answer); err == nil && kind != "slack" && !json.Valid(answer) {
			t.Errorf("%q is taken for an acknowledgement", answer)
		}
	})
}
