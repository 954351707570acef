package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/ringfence/ringfence/event"
)

type listed struct {
	Total   int
	Entries []struct {
		ID, Source, Reason, Pointer, Raw string
		Replayable                       bool
	}
}

func (b *bench) list(query string) (l listed) {
	b.t.Helper()
	status, body := b.do("GET", "/v1/dead-letter"+query, "", "")
	if err := json.Unmarshal([]byte(body), &l); err != nil || status != 200 {
		b.t.Fatalf("%d %s", status, body)
	}
	return l
}

func (b *bench) records(topic string) (n int64) {
	b.t.Helper()
	ends, err := kadm.NewClient(b.client).ListEndOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// What was refused is listed with its reason and without numbers, and sent again it is refused again or taken.
func TestDeadLetter(t *testing.T) {
	b := start(t, nil)
	if l := b.list(""); l.Total != 0 || l.Entries == nil {
		t.Errorf("an empty dead letter: %+v", l)
	}
	bad := strings.Replace(strings.Replace(goodCall, `"answered"`, `"huh"`, 1), `"customer_id":"k1"`, `"number":"+8613800138000"`, 1)
	b.do("POST", "/v1/calls", "application/x-ndjson", goodCall+"\n"+bad+"\n")
	l := b.list("?source=api:calls")
	if l.Total != 1 || l.Entries[0].Pointer != "/outcome" || !l.Entries[0].Replayable || strings.Contains(l.Entries[0].Raw, "13800138000") || !strings.Contains(l.Entries[0].Raw, `"call_id":"c1"`) {
		t.Fatalf("%+v", l)
	}
	before := b.records(event.TopicCustomerEvents)
	status, body := b.do("POST", "/v1/dead-letter/replay", "application/json", `{"ids":["`+l.Entries[0].ID+`"]}`)
	if status != 200 || !strings.Contains(body, `"replayed":0`) || !strings.Contains(body, "still refused") {
		t.Errorf("sent again: %d %s", status, body)
	}
	// One that an older ringfence could not read, and this one can.
	if err := b.Letters(t.Context(), []Letter{{Source: "api:calls", Reason: "unknown field", Raw: []byte(strings.Replace(goodCall, "c1", "c2", 1))}}); err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, e := range b.list("").Entries {
		if e.Reason == "unknown field" {
			id = e.ID
		}
	}
	if status, body := b.do("POST", "/v1/dead-letter/replay", "application/json", `{"ids":["`+id+`"]}`); status != 200 || !strings.Contains(body, `"replayed":1`) {
		t.Errorf("sent again: %d %s", status, body)
	}
	if n := b.records(event.TopicCustomerEvents); n != before+1 {
		t.Errorf("%d events more, want 1", n-before)
	}
	// A file's row is sent again from its file.
	if err := b.Letters(t.Context(), []Letter{{Source: "import:csv", Reason: "broken", Pointer: "calls.csv:7", Raw: []byte("x,y")}}); err != nil {
		t.Fatal(err)
	}
	if status, body := b.do("POST", "/v1/dead-letter/replay", "application/json", `{"source":"import:csv"}`); status != 200 || !strings.Contains(body, "where it came from") {
		t.Errorf("a row of a file: %d %s", status, body)
	}
	for path, c := range map[string][2]string{"/v1/dead-letter?limit=0": {"GET", ""}, "/v1/dead-letter?since=yesterday": {"GET", ""}, "/v1/dead-letter/replay": {"POST", "{}"}} {
		if status, body := b.do(c[0], path, "application/json", c[1]); status < 400 || status > 422 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// Every path that is served is in the document, and the other way round.
func TestDocument(t *testing.T) {
	b := start(t, nil)
	_, body := b.do("GET", "/openapi.json", "", "")
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		if path == "/v1/freeswitch/cdr" || strings.HasPrefix(path, "/v1/kpi") || strings.HasPrefix(path, "/v1/sampling") || strings.HasPrefix(path, "/v1/caps/") {
			continue // mounted by the process that has them
		}
		for method := range methods {
			if status, body := b.do(strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "x"), "", ""); status == 405 || status == 404 && strings.Contains(body, "no such path") {
				t.Errorf("%s %s is in the document and not served: %d %s", method, path, status, body)
			}
		}
	}
	for _, k := range []string{"calls", "agent-states", "customers", "complaints", "surveys", "leads", "schedules", "campaigns"} {
		if doc.Paths["/v1/"+k] == nil {
			t.Errorf("/v1/%s is not in the document", k)
		}
	}
}

// A line that the sender says it sends again without its number is refused, and is no dead letter. Any other is one.
func TestALineThatComesAgainIsNoDeadLetter(t *testing.T) {
	b := start(t, nil)
	number := strings.Replace(goodCall, `"customer_id":"k1"`, `"number":"none"`, 1)
	outcome := strings.Replace(goodCall, `"answered"`, `"huh"`, 1)
	status, body := b.do("POST", "/v1/calls?resends=number", "application/x-ndjson", number+"\n"+outcome+"\n")
	if status != 200 || !strings.Contains(body, `{"line":1,"pointer":"/number"`) || !strings.Contains(body, `{"line":2,"pointer":"/outcome"`) {
		t.Fatalf("%d %s", status, body)
	}
	if l := b.list(""); l.Total != 1 || l.Entries[0].Pointer != "/outcome" {
		t.Errorf("%+v", l)
	}
}
