package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringfence/ringfence/internal/app"
)

// asRingfence makes the test binary behave as ringfence itself, so that whole processes can be started and killed.
const asRingfence = "RINGFENCE_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asRingfence) != "" || os.Getenv("RINGFENCE_CLICKHOUSE_CHILD") != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is ringfence, started as a process of its own.
type process struct {
	*exec.Cmd
	out, errs bytes.Buffer
	done      chan error
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self, args...), done: make(chan error, 1)}
	p.Env = append(os.Environ(), asRingfence+"=1")
	p.Stdout, p.Stderr = &p.out, &p.errs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.Wait() }()
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// end waits for the process.
func (p *process) end(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(within):
		_ = p.Process.Kill()
		t.Fatalf("did not end within %v; it said:\n%s", within, tail(p.errs.String()))
		return -1
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// up starts `ringfence up` on a data directory and waits until it is ready.
func up(t *testing.T, dir string, args ...string) (*process, string) {
	t.Helper()
	_ = os.Remove(filepath.Join(dir, "url"))
	p := start(t, append([]string{"up", "--set", "data_dir=" + dir, "--set", "http.listen=127.0.0.1:0"}, args...)...)
	for deadline := time.Now().Add(3 * time.Minute); ; { // on a busy machine

		select {
		case err := <-p.done:
			t.Fatalf("up ended: %v\n%s", err, tail(p.errs.String()))
		case <-time.After(50 * time.Millisecond):
		}
		b, err := os.ReadFile(filepath.Join(dir, "url"))
		url := strings.TrimSpace(string(b))
		if err == nil && url != "" {
			resp, err := http.Get(url + "/readyz")
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return p, url
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("up is not ready:\n%s", tail(p.errs.String()))
		}
	}
}

// ask runs a command in this process and returns what it printed.
func ask(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &out, &errs); code != want {
		t.Fatalf("ringfence %s: exit %d, want %d: %s%s", strings.Join(args, " "), code, want, errs.String(), out.String())
	}
	return strings.TrimSpace(out.String())
}

// TestDemoKilled kills the demo five times in the middle of its work and then lets it end: nothing is lost, nothing is
// counted twice, no cap was exceeded by a call that had a permit, and the sample is exact.
func TestDemoKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	args := []string{"demo", "--once", "--days", "1", "--format", "json", "--data-dir", dir}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for i := range 5 {
		p := start(t, args...)
		wait := 1500*time.Millisecond + time.Duration(r.IntN(4500))*time.Millisecond
		select {
		case err := <-p.done:
			t.Fatalf("run %d ended by itself: %v\n%s", i, err, tail(p.errs.String()))
		case <-time.After(wait):
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.done
		t.Logf("killed after %v", wait)
	}
	p := start(t, args...)
	if code := p.end(t, 4*time.Minute); code != 0 {
		t.Fatalf("exit %d\n%s", code, tail(p.errs.String()))
	}
	var sum app.Summary
	if err := json.Unmarshal(p.out.Bytes(), &sum); err != nil {
		t.Fatalf("%v: %s", err, p.out.String())
	}
	var centre struct {
		Total struct{ Calls, Permits, Denied uint64 } `json:"total"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "centre", "centre.json"))
	if err == nil {
		err = json.Unmarshal(b, &centre)
	}
	if err != nil {
		t.Fatal(err)
	}
	const sampleCalls = 54
	if sum.Calls != centre.Total.Calls+sampleCalls || sum.Permits != centre.Total.Permits || sum.Denied != centre.Total.Denied || sum.Calls < 8000 {
		t.Errorf("ClickHouse has %+v, the centre was answered %+v", sum, centre.Total)
	}
	_, url := up(t, dir)
	sql := func(q string) string { return ask(t, 0, "sql", q, "--format", "TSV", "--url", url) }
	for what, q := range map[string]string{
		"calls that stand twice":                             "SELECT count() - uniqExact(call_id) FROM calls_current",
		"permits that are neither used nor released nor out": "SELECT countIf(decision = 'permit') - countIf(status IN ('used', 'released', 'out', 'orphaned')) FROM permits_current",
		"calls with a permit that broke a cap":               "SELECT count() FROM calls_current WHERE permit_id != '' AND notEmpty(violations)",
		"agents' days not sampled exactly":                   "SELECT count() FROM (SELECT day, agent_id, count() AS n, countIf(has(drawn, 'daily')) AS d FROM sampling_population FINAL GROUP BY day, agent_id HAVING d != intDiv(n + 9, 10))",
		"valid recordings that were not numbered":            "SELECT count() FROM calls_current WHERE direction = 'outbound' AND isNotNull(answered_at) AND agent_id != '' AND ended_at > bridged_at AND recording_size_bytes > 44 AND call_id NOT IN (SELECT call_id FROM sampling_population)",
		"intervals of an agent that overlap":                 "SELECT count() FROM (SELECT agent_id, end_at, leadInFrame(start_at) OVER (PARTITION BY agent_id ORDER BY start_at ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS next FROM agent_intervals FINAL WHERE end_at > start_at) WHERE next > toDateTime64('2000-01-01', 3) AND end_at > next",
		"used permits without their call":                    "SELECT count() FROM permits_current WHERE status = 'used' AND permit_id NOT IN (SELECT permit_id FROM calls_current)",
	} {
		if got := sql(q); got != "0" {
			t.Errorf("%s: %s", what, got)
		}
	}
	day := sql("SELECT max(day) FROM sampling_population")
	ask(t, 0, "sampling", "verify", "--day", day, "--url", url)
	panelsOf(t, url, "Asia/Shanghai")
}

// TestOneProcessADirectory: the second process on a data directory says who has it; SIGTERM drains and ends well.
func TestOneProcessADirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	first, url := up(t, dir)
	second := start(t, "up", "--set", "data_dir="+dir, "--set", "http.listen=127.0.0.1:0")
	if code := second.end(t, 20*time.Second); code != 2 || !strings.Contains(second.errs.String(), dir) {
		t.Errorf("exit %d: %s", code, second.errs.String())
	}
	// What is acknowledged while SIGTERM comes is not lost.
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := range 100_000 {
			at := time.Now().Add(-time.Minute).Format(time.RFC3339)
			body := fmt.Sprintf(`{"call_id":"t%d","customer_id":"C%d","purpose":"care","started_at":%q,"ended_at":%q,"outcome":"no_answer"}`, i, i%50, at, at)
			resp, err := http.Post(url+"/v1/calls", "application/json", strings.NewReader(body))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				return
			}
			if acknowledged.Add(1) == 300 {
				close(enough)
			}
		}
	}()
	<-enough
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := first.end(t, 15*time.Second); code != 0 {
		t.Errorf("after SIGTERM: exit %d\n%s", code, tail(first.errs.String()))
	}
	<-stopped
	_, url = up(t, dir)
	got := ask(t, 0, "kpi", "calls_made", "--wait", "--from", time.Now().Add(-time.Hour).Format(time.RFC3339), "--format", "csv", "--url", url)
	s := bufio.NewScanner(strings.NewReader(got))
	last := ""
	for s.Scan() {
		last = s.Text()
	}
	var n int
	if _, err := fmt.Sscanf(strings.Split(last, ",")[2], "%d", &n); err != nil || int64(n) < acknowledged.Load() || int64(n) > acknowledged.Load()+1 {
		t.Errorf("%d calls counted (%q), %d acknowledged", n, last, acknowledged.Load())
	}
}
