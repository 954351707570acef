package console_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/app/apptest"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/qadesk"
)

const password = "a password of the test"

// customerNumber is a customer's: it must be nowhere to be seen.
const customerNumber = "+8613900001234"

// site is a running system, with what a test looks at behind its pages.
type site struct {
	*app.App
	kafka []string
	log   *notes
}

// notes is what the system logged.
type notes struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// prepared are the settings of a system whose users can sign in and whose recordings are drawn, all of them.
func prepared(t *testing.T, dir string) []string {
	t.Helper()
	users := filepath.Join(dir, "users.yaml")
	for _, u := range []identity.User{
		{Name: "rater", Display: "Rater <i onmouseover=alert(1)>One</i>", Roles: []string{"qa"}}, {Name: "rater2", Roles: []string{"qa"}},
		{Name: "leader", Roles: []string{"supervisor"}, TeamID: "team-1"}, {Name: "leader2", Roles: []string{"supervisor"}, TeamID: "team-2"}, {Name: "support", Roles: []string{"compliance"}},
		{Name: "green", Roles: []string{"supervisor"}, PartnerID: "partner-green"}, {Name: "agent-1", Roles: []string{"agent"}, AgentID: "agent-1"},
		{Name: "admin", Roles: []string{"admin"}}, {Name: "agent-2", Roles: []string{"agent"}, AgentID: "agent-2"},
	} {
		if err := identity.PutUser(users, u, password); err != nil {
			t.Fatal(err)
		}
	}
	rec := filepath.Join(dir, "rec")
	if err := os.MkdirAll(rec, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rec, "call.wav"), toneWAV(20), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"data_dir=" + dir, "kafka.partitions=2", "sampling.one_in=1", "sampling.extra_one_in=1", "sampling.weekly_one_in=0", "sampling.per_period=false", "sampling.quiet=1s", "console.users_file=" + users, "recordings.dir=" + rec}
}

// quality is a running system with calls whose recordings are in the queue, all of them.
func quality(t *testing.T, calls int) *app.App {
	t.Helper()
	return qualitySite(t, calls).App
}

func qualitySite(t *testing.T, calls int) *site {
	t.Helper()
	dir := t.TempDir()
	brokers := apptest.Broker(t, dir)
	x := &site{kafka: brokers, log: &notes{}}
	x.App = apptest.Run(t, app.Options{Logger: slog.New(slog.NewTextHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, append(prepared(t, dir), apptest.On(brokers)...)...)
	sendCalls(t, x.URL(), time.Now(), 0, calls)
	if err := x.Counted(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "every recording is in the queue", func() bool { return x.open("") >= calls })
	return x
}

// open counts the open tasks of a draw; "" = of any.
func (x *site) open(draw string) int {
	return len(x.Desk().Queue(&event.QAActor{UserId: "somebody", Roles: []string{"qa"}}, qadesk.Filter{Draw: draw, Limit: 1000}).Tasks)
}

// sendCalls sends the calls with the numbers [from, to), of two agents of two partners in turn, each a minute before the last.
func sendCalls(t *testing.T, base string, now time.Time, from, to int) {
	t.Helper()
	var objects []any
	for i := from; i < to; i++ {
		at := now.Add(-time.Duration(10+i) * time.Minute).UnixMilli()
		objects = append(objects, map[string]any{"call_id": fmt.Sprint("call-", i), "number": customerNumber, "purpose": "sales", "campaign_id": "<script>alert(1)</script>", "started_at": client.Time(at),
			"answered_at": client.Time(at + 5000), "bridged_at": client.Time(at + 6000), "ended_at": client.Time(at + 66_000), "outcome": "answered", "answered_by": "human", "disposition": "refuse",
			"agent_id": fmt.Sprint("agent-", 1+i%2), "team_id": fmt.Sprint("team-", 1+i%2), "partner_id": []string{"partner-blue", "partner-red"}[i%2],
			"recording": map[string]any{"uri": "call.wav", "size_bytes": 320_044, "duration_ms": 20_000}})
	}
	res, err := (&client.Client{Base: base, Retry: 30 * time.Second}).Send(t.Context(), "calls", objects...)
	if err != nil || len(res.Rejected) > 0 {
		t.Fatalf("send the calls: %v %+v", err, res)
	}
}

// until waits for what other goroutines bring about.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick, over := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !cond() {
		select {
		case <-over:
			t.Fatalf("it does not come about that %s", what)
		case <-tick.C:
		}
	}
}

// toneWAV is so many seconds of a tone.
func toneWAV(seconds int) []byte {
	var b bytes.Buffer
	n := uint32(16000 * seconds)
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, 36+n)
	b.WriteString("WAVEfmt ")
	_ = binary.Write(&b, binary.LittleEndian, []uint16{16, 0, 1, 1})
	_ = binary.Write(&b, binary.LittleEndian, []uint32{8000, 16000})
	_ = binary.Write(&b, binary.LittleEndian, []uint16{2, 16})
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, n)
	for i := range 8000 * seconds {
		_ = binary.Write(&b, binary.LittleEndian, int16(8000*math.Sin(float64(i)/3)))
	}
	return b.Bytes()
}

// visitor is a browser without a screen: it keeps cookies and follows redirects.
type visitor struct {
	t    *testing.T
	base string
	http *http.Client
}

func (a visitor) get(path string) (int, string) { return a.do("GET", path, nil, nil) }

func (a visitor) do(method, path string, body io.Reader, header map[string]string) (int, string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res, err := a.http.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (a visitor) post(path string, form url.Values) (int, string) {
	return a.do("POST", path, strings.NewReader(form.Encode()), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}

var csrfMeta = regexp.MustCompile(`<meta name="csrf" content="([^"]+)">`)

// token is the CSRF token of the visitor's pages.
func (a visitor) token() string {
	_, body := a.get("/console/search")
	m := csrfMeta.FindStringSubmatch(body)
	if m == nil {
		_, body = a.get("/console/me")
		m = csrfMeta.FindStringSubmatch(body)
	}
	if m == nil {
		a.t.Fatal("no page has a token")
	}
	return m[1]
}

func anybody(t *testing.T, a *app.App) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{t, a.URL(), &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

func signIn(t *testing.T, a *app.App, name string) visitor {
	t.Helper()
	v := anybody(t, a)
	if code, body := v.post("/console/sign-in", url.Values{"name": {name}, "password": {password}, "back": {"/"}}); code != http.StatusOK {
		t.Fatalf("sign in as %s: %d %s", name, code, body)
	}
	return v
}

// fullSheet answers every checkpoint of the shipped rubric.
func fullSheet(a *app.App, answer string) map[string]any {
	r := a.Rubrics()[0]
	var checks []map[string]string
	for _, s := range r.Sections {
		for _, c := range s.Checkpoints {
			if !c.Sale {
				checks = append(checks, map[string]string{"id": c.ID, "answer": answer})
			}
		}
	}
	return map[string]any{"rubric": r.ID(), "checks": checks, "comment": "<img src=x onerror=alert(1)> call 13900001234 again"}
}

func jsonBody(t *testing.T, v any) io.Reader {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}
