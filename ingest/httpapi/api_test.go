package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/number"
)

type bench struct {
	*API
	t      testing.TB
	h      http.Handler
	kafka  *kfake.Cluster
	client *kgo.Client
}

func start(t testing.TB, change func(*config.Config)) *bench {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	base := []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)}
	cl, err := kgo.NewClient(base...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for _, topic := range event.Topics() {
		if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 8, 1, nil, topic.Name); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.Default()
	if change != nil {
		change(cfg)
	}
	key, err := number.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), Deps{Base: base, Config: cfg, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return &bench{API: a, t: t, h: a.Handler(), kafka: k, client: cl}
}

func (b *bench) do(method, path, contentType, body string, header ...string) (int, string) {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const goodCall = `{"call_id":"c1","customer_id":"k1","purpose":"sales","started_at":"2026-03-02T10:00:00+08:00","ended_at":"2026-03-02T10:01:00+08:00","outcome":"answered"}`

func TestBadInput(t *testing.T) {
	b := start(t, nil)
	change := func(from, to string) string { return strings.Replace(goodCall, from, to, 1) }
	for _, c := range []struct {
		name, path, body string
		status           int
		pointer          string
	}{
		{"good", "/v1/calls", goodCall, 202, ""},
		{"unknown field", "/v1/calls", change(`"outcome"`, `"campain_id":"x","outcome"`), 400, "/campain_id"},
		{"wrong type", "/v1/calls", change(`"k1"`, `7`), 400, "/customer_id"},
		{"null", "/v1/calls", change(`"k1"`, `null`), 400, "/customer_id"},
		{"doubled", "/v1/calls", change(`"outcome"`, `"call_id":"c2","outcome"`), 400, "/call_id"},
		{"missing", "/v1/calls", change(`"call_id":"c1",`, ``), 400, "/call_id"},
		{"nobody", "/v1/calls", change(`"customer_id":"k1",`, ``), 400, "/customer_id"},
		{"wrong enum", "/v1/calls", change(`"answered"`, `"picked_up"`), 422, "/outcome"},
		{"no offset", "/v1/calls", change(`10:00:00+08:00`, `10:00:00`), 422, "/started_at"},
		{"too fine", "/v1/calls", change(`10:00:00+08:00`, `10:00:00.0001+08:00`), 422, "/started_at"},
		{"ends before it begins", "/v1/calls", change(`10:01:00`, `09:59:00`), 422, "/ended_at"},
		{"no number", "/v1/calls", change(`"customer_id":"k1"`, `"number":"hello"`), 422, "/number"},
		{"not JSON", "/v1/calls", `{"call_id"`, 400, ""},
		{"a list", "/v1/calls", `[]`, 400, ""},
		{"inside", "/v1/calls", change(`"outcome"`, `"recording":{"size":1},"outcome"`), 400, "/recording/size"},
		{"update", "/v1/calls", `{"call_id":"c1","customer_id":"k1","updated_at":"2026-03-02T10:05:00+08:00","disposition":"refuse"}`, 202, ""},
		{"merged", "/v1/customers", `{"customer_id":"k","at":"2026-03-02T10:00:00Z","merges":["k2"]}`, 202, ""},
		{"merged with himself", "/v1/customers", `{"customer_id":"k","at":"2026-03-02T10:00:00Z","merges":["k2","k"]}`, 422, "/merges/1"},
		{"list value", "/v1/customers", `{"customer_id":"k","at":"2026-03-02T10:00:00Z","lists":{"vip":1}}`, 400, "/lists/vip"},
		{"bad zone", "/v1/customers", `{"customer_id":"k","at":"2026-03-02T10:00:00Z","time_zone":"Moon"}`, 422, "/time_zone"},
		{"agent state", "/v1/agent-states", `{"agent_id":"a","state":"asleep","at":"2026-03-02T10:00:00Z"}`, 422, "/state"},
		{"lead of nobody", "/v1/leads", `{"lead_id":"l","campaign_id":"c"}`, 400, "/customer_id"},
		{"permit at another time", "/v1/permits", `{"request_id":"r","customer_id":"k","purpose":"sales","at":"2020-01-01T00:00:00Z"}`, 422, "/at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := b.do("POST", c.path, "application/json", c.body)
			if status != c.status {
				t.Fatalf("status %d, want %d: %s", status, c.status, body)
			}
			if c.status < 300 {
				return
			}
			var p problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != c.status || p.Title == "" {
				t.Fatalf("not a problem: %s", body)
			}
			if c.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer) {
				t.Errorf("errors %+v, want one at %s", p.Errors, c.pointer)
			}
		})
	}
}

func TestBatch(t *testing.T) {
	b := start(t, nil)
	var lines []string
	for i := range 1000 {
		lines = append(lines, strings.Replace(goodCall, "c1", fmt.Sprintf("c%d", i), 1))
	}
	lines[499] = strings.Replace(goodCall, `"answered"`, `"huh"`, 1)
	body := strings.Join(lines, "\n")
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write([]byte(body))
	_ = z.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{"": {body, ""}, "gzip": {gz.String(), "gzip"}, "zstd": {string(enc.EncodeAll([]byte(body), nil)), "zstd"}} {
		status, got := b.do("POST", "/v1/calls", "application/x-ndjson", c[0], "Content-Encoding", c[1])
		var res struct {
			Accepted int
			Rejected []rejected
		}
		if err := json.Unmarshal([]byte(got), &res); err != nil || status != 200 || res.Accepted != 999 || len(res.Rejected) != 1 ||
			res.Rejected[0].Line != 500 || res.Rejected[0].Pointer != "/outcome" {
			t.Errorf("%s: %d %.300s", name, status, got)
		}
	}
	ends, err := kadm.NewClient(b.client).ListEndOffsets(t.Context(), event.TopicDeadLetter)
	if err != nil {
		t.Fatal(err)
	}
	letters := int64(0)
	ends.Each(func(o kadm.ListedOffset) { letters += o.Offset })
	if letters != 3 {
		t.Errorf("%d dead letters, want 3", letters)
	}
}

func TestLimitsAndTypes(t *testing.T) {
	b := start(t, nil)
	if status, _ := b.do("POST", "/v1/calls", "application/json", strings.Repeat(" ", maxBody+1)); status != 413 {
		t.Errorf("too large: %d", status)
	}
	if status, _ := b.do("POST", "/v1/calls", "text/html", goodCall); status != 415 {
		t.Errorf("type: %d", status)
	}
	if status, body := b.do("GET", "/v1/calls", "", ""); status != 405 || !strings.Contains(body, `"status":405`) {
		t.Errorf("method: %d %s", status, body)
	}
	if status, body := b.do("GET", "/v1/nothing", "", ""); status != 404 || !strings.Contains(body, `"status":404`) {
		t.Errorf("path: %d %s", status, body)
	}
	if status, body := b.do("GET", "/openapi.json", "", ""); status != 200 || !strings.Contains(body, `"/v1/permits"`) {
		t.Errorf("openapi: %d", status)
	}
}

func TestTokens(t *testing.T) {
	b := start(t, func(c *config.Config) {
		c.API.Tokens = []config.Token{{Token: "ingest-token-0123", Roles: []string{"ingest"}, PartnerID: "blue"}, {Token: "qa-token-01234567", Roles: []string{"qa"}}}
	})
	for _, c := range []struct {
		token, body string
		status      int
	}{
		{"", goodCall, 401}, {"wrong", goodCall, 401}, {"qa-token-01234567", goodCall, 403}, {"ingest-token-0123", goodCall, 202},
		{"ingest-token-0123", strings.Replace(goodCall, `"outcome"`, `"partner_id":"red","outcome"`, 1), 403},
	} {
		if status, body := b.do("POST", "/v1/calls", "application/json", c.body, "Authorization", "Bearer "+c.token); status != c.status {
			t.Errorf("%q: %d %s, want %d", c.token, status, body, c.status)
		}
	}
}

// respond plays contactcap: it permits every request and releases everything once.
func (b *bench) respond(ctx context.Context) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.ConsumeTopics(event.TopicCustomerEvents), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.t.Error(err)
		return
	}
	defer cl.Close()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var ce event.CustomerEvent
			if err := ce.UnmarshalVT(r.Value); err != nil {
				b.t.Error(err)
			}
			var pe event.PermitEvent
			switch x := ce.Body.(type) {
			case *event.CustomerEvent_PermitRequest:
				p := x.PermitRequest
				pe.ReplyTo = p.ReplyTo
				pe.Body = &event.PermitEvent_Decision{Decision: &event.PermitDecision{Decision: "permit", PermitId: event.PermitID(ce.CustomerId, p.RequestId, p.At),
					RequestId: p.RequestId, CustomerId: ce.CustomerId, At: p.At, ExpiresAt: p.At + p.TtlMs, Policy: "test@1", TimeZone: "Asia/Shanghai"}}
			case *event.CustomerEvent_PermitRelease:
				pe.ReplyTo = x.PermitRelease.ReplyTo
				pe.Body = &event.PermitEvent_ReleaseResult{ReleaseResult: &event.ReleaseResult{HttpStatus: 204}}
			default:
				return
			}
			v, _ := pe.MarshalVT()
			cl.Produce(ctx, &kgo.Record{Topic: event.TopicPermitDecisions, Partition: pe.ReplyTo.Partition, Value: v}, nil)
		})
	}
}

func TestPermit(t *testing.T) {
	b := start(t, func(c *config.Config) { c.API.TrustClientTime = true })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.respond(ctx) }()
	defer func() { cancel(); <-done }()
	status, body := b.do("POST", "/v1/permits", "application/json", `{"request_id":"r1","customer_id":"k1","purpose":"sales","at":"2026-03-02T10:00:00+08:00"}`)
	var d decisionJSON
	if err := json.Unmarshal([]byte(body), &d); err != nil || status != 200 || d.Decision != "permit" || d.At != "2026-03-02T10:00:00+08:00" || d.ExpiresAt != "2026-03-02T10:01:00+08:00" {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := b.do("DELETE", "/v1/permits/"+d.PermitID, "", ""); status != 204 {
		t.Errorf("release: %d %s", status, body)
	}
	if status, _ := b.do("DELETE", "/v1/permits/nonsense", "", ""); status != 404 {
		t.Errorf("release of nonsense: %d", status)
	}
}

func TestNobodyDecidesInTime(t *testing.T) {
	b := start(t, nil)
	began := time.Now()
	status, body := b.do("POST", "/v1/permits", "application/json", `{"request_id":"r1","customer_id":"k1","purpose":"sales"}`)
	if status != 503 || time.Since(began) > 5*time.Second {
		t.Errorf("%d %s after %s", status, body, time.Since(began))
	}
}

// An event named by number goes to who owns the number at its time, and to the unknown customer where nobody does.
func TestByNumber(t *testing.T) {
	b := start(t, nil)
	e, err := number.Normalize("13800138000", "CN")
	if err != nil {
		t.Fatal(err)
	}
	hash := b.deps.Key.Hash(e)
	send := func() {
		t.Helper()
		body := strings.Replace(goodCall, `"customer_id":"k1"`, `"number":"13800138000"`, 1)
		if status, got := b.do("POST", "/v1/calls", "application/json", body); status != 202 {
			t.Fatalf("%d %s", status, got)
		}
	}
	send()
	entry := &event.DirectoryEntry{Owners: []*event.Ownership{{From: 1, CustomerId: "owner"}}}
	v, err := entry.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: event.TopicDirectory, Key: []byte(hash), Value: v}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	send()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.ConsumeTopics(event.TopicCustomerEvents))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	keys := map[string]bool{}
	for !keys["owner"] || !keys[event.UnknownCustomerPrefix+hash] {
		f := cl.PollFetches(t.Context())
		if t.Context().Err() != nil {
			t.Fatal("never came")
		}
		f.EachRecord(func(r *kgo.Record) {
			keys[string(r.Key)] = true
			if bytes.Contains(r.Value, []byte("13800138000")) {
				t.Error("a number in clear is in the topic")
			}
		})
	}
}

func TestKafkaAway(t *testing.T) {
	b := start(t, nil)
	b.kafka.Close()
	if status, body := b.do("POST", "/v1/calls", "application/json", goodCall); status != 503 || !strings.Contains(body, "problem") && !strings.Contains(body, `"status":503`) {
		t.Errorf("%d %s", status, body)
	}
}
