package importer

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/decode"
	"github.com/ringfence/ringfence/internal/number"
)

const run22 = "../../samples/asterisk-22-run/"

// system stands for a running one: it decodes as the API does and keeps what it was sent by event id.
type system struct {
	t     *testing.T
	mu    sync.Mutex
	dec   *decode.Decoder
	seen  map[string]map[string]any // event id -> object
	calls map[string]map[string]any // call id -> merged
	marks map[string]*event.ImportMark
	lost  []Broken
	again [][]byte // lines refused for their number, of which the sender said that they come again
	sends int
	fail  int // fail the sends after so many; 0 = never
}

func newSystem(t *testing.T) *system {
	t.Helper()
	key, err := number.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &system{t: t, dec: decode.New(decode.Options{Region: "CN", Key: key, Now: time.Now}), seen: map[string]map[string]any{},
		calls: map[string]map[string]any{}, marks: map[string]*event.ImportMark{}}
}

func (s *system) Send(_ context.Context, kind string, lines [][]byte, resends bool) ([]Refused, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sends++
	if s.fail > 0 && s.sends > s.fail {
		return nil, context.DeadlineExceeded
	}
	var bad []Refused
	for i, l := range lines {
		if _, probs := s.dec.Decode(decode.Kind(kind), l); len(probs) > 0 {
			bad = append(bad, Refused{Line: i + 1, Pointer: probs[0].Pointer, Detail: probs[0].Detail})
			if resends && probs[0].Pointer == "/number" {
				s.again = append(s.again, l)
			}
			continue
		}
		var o map[string]any
		if err := json.Unmarshal(l, &o); err != nil {
			s.t.Fatal(err)
		}
		id, _ := o["event_id"].(string)
		if id == "" {
			id = string(l)
		}
		if s.seen[id] != nil {
			continue
		}
		s.seen[id] = o
		if kind == "calls" {
			s.merge(o)
		}
	}
	return bad, nil
}

func (s *system) merge(o map[string]any) {
	id := o["call_id"].(string)
	c := s.calls[id]
	if c == nil {
		c = map[string]any{}
		s.calls[id] = c
	}
	at, _ := o["updated_at"].(string)
	if at == "" {
		at, _ = o["ended_at"].(string)
	}
	for k, v := range o {
		if was, _ := c["@"+k].(string); was <= at {
			c[k], c["@"+k] = v, at
		}
	}
}

func (s *system) Load(_ context.Context, d string) (*event.ImportMark, error) {
	if m := s.marks[d]; m != nil {
		return proto.Clone(m).(*event.ImportMark), nil
	}
	return nil, nil
}

func (s *system) Save(_ context.Context, m *event.ImportMark) error {
	s.marks[m.Digest] = proto.Clone(m).(*event.ImportMark)
	return nil
}

func (s *system) Put(_ context.Context, rows []Broken) error {
	s.lost = append(s.lost, rows...)
	return nil
}

func (s *system) run(format string, paths ...string) *Report {
	s.t.Helper()
	rep, err := Run(context.Background(), Options{Format: format, Paths: paths, Sink: s, Marks: s, DeadLetter: s})
	if err != nil {
		s.t.Fatal(err)
	}
	if rep.Read != rep.Accepted+rep.Skipped+rep.Rejected {
		s.t.Fatalf("read is not the sum of the others: %+v", rep.Counts)
	}
	return rep
}

func instant(t *testing.T, c map[string]any, k string) time.Time {
	t.Helper()
	v, _ := c[k].(string)
	if v == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, v)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	out, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The run against its plan. The nth call shows the caller id 749500000nn, in the plan's order; that a straight PJSIP call
// has no number anywhere in the file does not lose it. The caller id stands in src of the row of the leg that dials.
func TestRun22AgainstPlan(t *testing.T) {
	s := newSystem(t)
	rep := s.run("asterisk-cdr", run22+"Master.csv")
	if want := (Counts{Read: 119, Accepted: 95, Skipped: 24}); rep.Counts != want {
		t.Errorf("counts %+v, want %+v", rep.Counts, want)
	}
	plan := readCSV(t, run22+"plan.csv")[1:]
	if len(s.calls) != len(plan) {
		t.Fatalf("%d calls, planned %d", len(s.calls), len(plan))
	}
	byCaller := map[string]string{} // caller id or number -> linkedid
	answers, billed := map[string]bool{}, map[string]float64{}
	for _, r := range readCSV(t, run22+"Master.csv") {
		if r[5] != "OutgoingSpoolFailed" {
			byCaller[r[1]], byCaller[r[2]] = r[19], r[19]
		}
	}
	for _, r := range readCSV(t, run22+"cel-Master.csv") {
		at, err := time.Parse("2006-01-02 15:04:05.999999", r[1])
		if err != nil {
			t.Fatal(err)
		}
		sec := float64(at.UnixMicro()) / 1e6
		switch id := r[15]; {
		case r[0] == "ANSWER" && r[14] == id:
			answers[id] = true
			billed[id] -= sec
		case r[0] == "HANGUP" && r[14] == id && answers[id]:
			billed[id] += sec
		}
	}
	outcomes := map[string]string{"busy": "busy", "noanswer": "no_answer", "noanswer-cancel": "no_answer", "answer": "answered", "impatient": "answered", "patient": "answered"}
	abandoned := map[string]bool{"call-014": true, "call-018": true, "call-047": true} // queue_log: EXITWITHTIMEOUT, ABANDON, ABANDON
	n := map[string]int{}
	for i, p := range plan {
		link := byCaller[p[2]]
		if link == "" {
			link = byCaller["749500000"+p[0][6:]]
		}
		c := s.calls["asterisk-"+link]
		if c == nil {
			t.Errorf("%s: no call", p[0])
			continue
		}
		want := outcomes[p[5]]
		if abandoned[p[0]] {
			want = "abandoned"
		}
		if got := c["outcome"]; want != "" && got != want {
			t.Errorf("%s (%s): outcome %v, want %s", p[0], p[5], got, want)
		}
		n[c["outcome"].(string)]++
		if camp := "camp-" + string(rune('1'+i%3)); c["campaign_id"] != camp {
			t.Errorf("%s: campaign %v, want %s", p[0], c["campaign_id"], camp)
		}
		if local := strings.HasPrefix(p[3], "Local/"); local && p[5] != "noroute" && c["number"] != p[2] {
			t.Errorf("%s: number %v, want %s", p[0], c["number"], p[2])
		}
		answered, ended := instant(t, c, "answered_at"), instant(t, c, "ended_at")
		if answered.IsZero() == answers[link] {
			t.Errorf("%s: answered %v, CEL says %v", p[0], !answered.IsZero(), answers[link])
		}
		if !answered.IsZero() {
			if talk := ended.Sub(answered).Seconds(); math.Abs(talk-billed[link]) >= 1.05 {
				t.Errorf("%s: %v s from answer to end, CEL says %.3f", p[0], talk, billed[link])
			}
		}
		if (c["outcome"] == "answered") != (c["bridged_at"] != nil) {
			t.Errorf("%s: %v with bridged_at %v", p[0], c["outcome"], c["bridged_at"])
		}
	}
	t.Log(n)

	// with queue_log, who was on the line since when is the switch's own word, in either order of the files
	s.run("asterisk-queue-log", run22+"queue_log")
	swapped := newSystem(t)
	swapped.run("asterisk-queue-log", run22+"queue_log")
	swapped.run("asterisk-cdr", run22+"Master.csv")
	for name, sys := range map[string]*system{"cdr first": s, "queue_log first": swapped} {
		if len(sys.calls) != 54 {
			t.Errorf("%s: %d calls", name, len(sys.calls))
		}
		talks := 0
		b, err := os.ReadFile(run22 + "queue_log")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(string(b), "\n") {
			f := strings.Split(l, "|")
			if len(f) < 7 || !strings.HasPrefix(f[4], "COMPLETE") {
				continue
			}
			talks++
			c := sys.calls["asterisk-"+f[1]]
			want, _ := time.ParseDuration(f[6] + "s")
			got := instant(t, c, "ended_at").Sub(instant(t, c, "bridged_at"))
			if d := got - want; d < -time.Second || d > time.Second {
				t.Errorf("%s: %s talked %v, queue_log says %v", name, f[1], got, want)
			}
			if agent := strings.ToLower(strings.ReplaceAll(f[3], " ", "")); c["agent_id"] != agent {
				t.Errorf("%s: %s agent %v, want %s", name, f[1], c["agent_id"], agent)
			}
		}
		if talks != 27 {
			t.Errorf("%s: %d talks in queue_log", name, talks)
		}
	}

	before := len(s.seen)
	rep = s.run("asterisk-cdr", run22+"Master.csv")
	if want := (Counts{Read: 119, Skipped: 119}); rep.Counts != want || len(s.seen) != before {
		t.Errorf("a second time: %+v and %d new events", rep.Counts, len(s.seen)-before)
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file that grows, cut anywhere, ends as the whole file would.
func TestGrowing(t *testing.T) {
	b, err := os.ReadFile(run22 + "Master.csv")
	if err != nil {
		t.Fatal(err)
	}
	whole := newSystem(t)
	whole.run("asterisk-cdr", run22+"Master.csv")
	for _, cut := range []int{100, 500, 5000, 5001, 12345, len(b) - 40, len(b) - 1} {
		s := newSystem(t)
		p := write(t, filepath.Join(t.TempDir(), "Master.csv"), string(b[:cut]))
		s.run("asterisk-cdr", p)
		write(t, p, string(b))
		rep := s.run("asterisk-cdr", p)
		if rep.Read != 119 || rep.Rejected != 0 {
			t.Errorf("cut at %d: %+v", cut, rep.Counts)
		}
		if len(s.calls) != len(whole.calls) {
			t.Errorf("cut at %d: %d calls", cut, len(s.calls))
		}
		for id, c := range whole.calls {
			for _, k := range []string{"outcome", "answered_at", "bridged_at", "ended_at", "agent_id", "number"} {
				if s.calls[id][k] != c[k] {
					t.Errorf("cut at %d: %s %s = %v, want %v", cut, id, k, s.calls[id][k], c[k])
				}
			}
		}
		if rep := s.run("asterisk-cdr", p); rep.Skipped != 119 {
			t.Errorf("cut at %d: a third time %+v", cut, rep.Counts)
		}
	}
}

func TestCutOffGoesOn(t *testing.T) {
	s := newSystem(t)
	s.fail = 2
	opt := Options{Format: "jsonl", Sink: s, Marks: s, DeadLetter: s, Batch: 10}
	var b strings.Builder
	for i := range 100 {
		b.WriteString(`{"call_id":"c` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `","customer_id":"x","purpose":"sales","started_at":"2026-01-01T10:00:00Z","ended_at":"2026-01-01T10:01:00Z","outcome":"no_answer"}` + "\n")
	}
	opt.Paths = []string{write(t, filepath.Join(t.TempDir(), "f.jsonl"), b.String())}
	if _, err := Run(context.Background(), opt); err == nil {
		t.Fatal("no error")
	}
	s.fail = 0
	rep, err := Run(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Skipped != 20 || rep.Accepted != 80 || len(s.calls) != 100 {
		t.Errorf("%+v, %d calls", rep.Counts, len(s.calls))
	}
}

// A last line without its newline that was refused is not refused again with every import of the same file; a file that
// has grown has another line there.
func TestARefusedLastLineIsRefusedOnce(t *testing.T) {
	s := newSystem(t)
	p := write(t, filepath.Join(t.TempDir(), "f.jsonl"), `{"call_id":"c","customer_id":"x","purpose":"sales","started_at":"2026-01-01T10:00:00Z",`)
	for i, want := range []Counts{{Read: 1, Rejected: 1}, {Read: 1, Skipped: 1}} {
		if rep := s.run("jsonl", p); rep.Counts != want {
			t.Errorf("time %d: %+v, want %+v", i+1, rep.Counts, want)
		}
	}
	write(t, p, `{"call_id":"c","customer_id":"x","purpose":"sales","started_at":"2026-01-01T10:00:00Z","ended_at":"2026-01-01T10:01:00Z","outcome":"busy"}`)
	if rep := s.run("jsonl", p); rep.Accepted != 1 || len(s.calls) != 1 {
		t.Errorf("grown: %+v", rep.Counts)
	}
}

// A call whose number is none is taken under a customer of its own. The system is told that the first form isn't the last,
// so that a row which counts as accepted stands in no dead letter.
func TestACallWithoutANumberIsSentAgainAndNoDeadLetter(t *testing.T) {
	s := newSystem(t)
	const cdr = `{"variables":{"uuid":"u1","direction":"outbound","start_epoch":"1795285402","end_epoch":"1795285410","hangup_cause":"NO_ANSWER"},"callflow":[{"caller_profile":{"destination_number":"IMSI510550000000087"}}]}`
	path := filepath.Join(t.TempDir(), "cdr.json")
	if err := os.WriteFile(path, []byte(cdr), 0o600); err != nil {
		t.Fatal(err)
	}
	rep := s.run("freeswitch-json", path)
	if rep.Accepted != 1 || len(s.calls) != 1 {
		t.Fatalf("%+v, %d calls", rep, len(s.calls))
	}
	if s.sends != 2 || len(s.again) != 1 || len(s.lost) != 0 {
		t.Errorf("%d sends, %d lines told to come again, %d broken rows", s.sends, len(s.again), len(s.lost))
	}
}
