package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qadesk"
)

// A token confined to a partner sees and counts that partner's tasks alone, and what is of all partners not at all
// (REP-04); a body that is too large is told so.
func TestQAOfOnePartner(t *testing.T) {
	const secret = "a-token-of-the-test-0123456789abcdef"
	t.Setenv("RINGFENCE_API_TOKENS", "[{name: blue, token: "+secret+", roles: [qa, supervisor, compliance], partner_id: p0}]")
	a, opts := startQA(t, "roles=[api, qa]")
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 4 {
		task := &event.QATask{TaskId: fmt.Sprint("daily-", i), CallId: fmt.Sprint("c", i), AgentId: fmt.Sprint("agent", i), PartnerId: fmt.Sprint("p", min(1, i)), Draw: "daily", Day: "2026-03-06", DrawnAt: int64(i)}
		v, err := task.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: event.TopicQATasks, Key: []byte(task.AgentId), Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the desk has the tasks", func() bool {
		return len(a.Desk().Queue(auditor, qadesk.Filter{}).Count) > 0 && a.Desk().Queue(auditor, qadesk.Filter{}).Count["open"] == 4
	})
	ask := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, a.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s is answered as %s", method, path, res.Status, res.Header.Get("Content-Type"))
		}
		return res.StatusCode, string(b)
	}
	if code, body := ask("GET", "/v1/qa/tasks", ""); code != 200 || !strings.Contains(body, `"open":1`) || strings.Contains(body, "agent1") || !strings.Contains(body, "agent0") {
		t.Errorf("the queue: %d %s", code, body)
	}
	for path, want := range map[string]int{"GET /v1/qa/tasks/daily-0": 200, "GET /v1/qa/tasks/daily-1": 403, "POST /v1/qa/tasks/daily-1/claim": 403, "GET /v1/qa/workload": 403, "POST /v1/qa/recusals": 403,
		"POST /v1/qa/exemptions": 403, "POST /v1/qa/calibrations": 403, "GET /v1/qa/tasks/none": 404} {
		method, path, _ := strings.Cut(path, " ")
		if code, body := ask(method, path, ""); code != want {
			t.Errorf("%s: %d, want %d: %s", path, code, want, body)
		}
	}
	if code, body := ask("POST", "/v1/qa/tasks/daily-0/draft", `{"text":"`+strings.Repeat("x", 2<<20)+`"}`); code != http.StatusRequestEntityTooLarge {
		t.Errorf("two MiB: %d %.200s", code, body)
	}
}
