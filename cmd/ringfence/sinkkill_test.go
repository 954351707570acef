package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/internal/kafka"
	"github.com/ringfence/ringfence/processors/kpi/recompute"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

var (
	sinkRows  = flag.Int("sink.rows", 100_000, "rows that are loaded while the sink is killed")
	sinkKills = flag.Int("sink.kills", 4, "how often it is killed")
)

// load is call facts on their way to ClickHouse. Fact i has prepared_ms i and the like, so that sums tell whether each
// is there once and unchanged.
type load struct {
	t      *testing.T
	client *kgo.Client
	rows   int
	sent   atomic.Int64
	done   chan error
}

func newLoad(t *testing.T, brokers []string, partitions, replication, rows int) *load {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MaxBufferedRecords(1<<14), kgo.ProducerLinger(5*time.Millisecond), kgo.RecordDeliveryTimeout(5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if err := kafka.EnsureTopics(t.Context(), cl, partitions, replication); err != nil {
		t.Fatal(err)
	}
	return &load{t: t, client: cl, rows: rows, done: make(chan error, 1)}
}

const loadBegins = 1_790_000_000_000

// start sends the facts, no more than the permitted number ahead of what was killed so far.
func (l *load) start(ctx context.Context, permitted *atomic.Int64, more <-chan struct{}) {
	go func() {
		for i := range l.rows {
			for int64(i) >= permitted.Load() {
				select {
				case <-more:
				case <-ctx.Done():
					l.done <- ctx.Err()
					return
				}
			}
			ms, at := int64(i), int64(loadBegins+i*250)
			f := event.CallFact{Revision: 1, CustomerHash: fmt.Sprint("h", i%1000), CapVerdict: "permitted", Call: &event.Call{CallId: fmt.Sprint("k", i), Direction: "outbound", CustomerId: fmt.Sprint("C", i%1000), CampaignId: fmt.Sprint("campaign-", i%3),
				AgentId: fmt.Sprint("a", i%40), StartedAt: at, EndedAt: at + 1000, UpdatedAt: at, PreparedMs: &ms, HangupCause: int32(i % 100), Products: []string{"5g"}[:i%2]}}
			v, err := f.MarshalVT()
			if err != nil {
				l.done <- err
				return
			}
			l.client.Produce(ctx, &kgo.Record{Topic: event.TopicCallFacts, Key: []byte(f.Call.AgentId), Value: v}, func(_ *kgo.Record, err error) {
				if err == nil {
					l.sent.Add(1)
				}
			})
		}
		l.done <- l.client.Flush(ctx)
	}()
}

// exact checks count, distinct ids and sums.
func (l *load) exact(conn driver.Conn) {
	l.t.Helper()
	if n := l.sent.Load(); n != int64(l.rows) {
		l.t.Fatalf("%d records were sent, want %d", n, l.rows)
	}
	var count, ids, prepared, causes, started, products uint64
	err := conn.QueryRow(l.t.Context(), `SELECT count(), uniqExact(call_id), toUInt64(sum(prepared_ms)), toUInt64(sum(hangup_cause)), toUInt64(sum(toUnixTimestamp64Milli(started_at) - 1790000000000)), sum(length(products)) FROM calls FINAL`).
		Scan(&count, &ids, &prepared, &causes, &started, &products)
	if err != nil {
		l.t.Fatal(err)
	}
	var want [6]uint64
	for i := range uint64(l.rows) {
		want[0]++
		want[1]++
		want[2] += i
		want[3] += i % 100
		want[4] += i * 250
		want[5] += i % 2
	}
	got := [6]uint64{count, ids, prepared, causes, started, products}
	if got != want {
		l.t.Errorf("count, distinct ids and sums are %v, want %v", got, want)
	}
	var raw, dead uint64
	if err := conn.QueryRow(l.t.Context(), "SELECT (SELECT count() FROM calls), (SELECT count() FROM dead_letter)").Scan(&raw, &dead); err != nil || dead != 0 {
		l.t.Errorf("%d rows in the dead letter, error %v", dead, err)
	}
	l.t.Logf("%d rows, each once; %d stood twice before they were merged", count, raw-count)
}

// verified has the figures worked out from the log and compared with what ClickHouse says.
func (l *load) verified(url string) {
	l.t.Helper()
	from, to := time.UnixMilli(loadBegins), time.UnixMilli(loadBegins+int64(l.rows)*250)
	var r recompute.Report
	if err := json.Unmarshal([]byte(ask(l.t, 0, "kpi", "verify", "--from", from.UTC().Format(time.RFC3339), "--to", to.UTC().Format(time.RFC3339), "--format", "json", "--url", url)), &r); err != nil {
		l.t.Fatal(err)
	}
	if !r.OK || r.Figures < 50 || len(r.Notes) > 0 {
		l.t.Errorf("%d figures, %d differences: %v %v", r.Figures, r.Found, r.Differences, r.Notes)
	}
	l.t.Logf("kpi verify: %d figures, %d differences", r.Figures, r.Found)
}

// connect connects to whatever address ClickHouse has at the moment: an engine that is started again may get another port.
func connect(t *testing.T, addr func() (string, error)) driver.Conn {
	t.Helper()
	conn, err := ch.Open(&ch.Options{Addr: []string{"engine:0"}, Auth: ch.Auth{Database: "ringfence", Username: "default"}, DialTimeout: time.Second, DialContext: func(ctx context.Context, _ string) (net.Conn, error) {
		at, err := addr()
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", at)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// killWhileLoading kills again and again, each time when a share of the rows is under way, and waits until all are there.
func killWhileLoading(t *testing.T, l *load, conn driver.Conn, kills int, kill func(i int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var permitted atomic.Int64
	more := make(chan struct{})
	l.start(ctx, &permitted, more)
	share := l.rows / (kills + 1)
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	there := func() int64 {
		var n uint64
		if conn.QueryRow(ctx, "SELECT uniqExact(call_id) FROM calls").Scan(&n) != nil {
			return -1
		}
		return int64(n)
	}
	// until waits for rows; everything goes through it, and it ends with the test.
	until := func(n int64) {
		t.Helper()
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for there() < n {
			select {
			case <-tick.C:
			case err := <-l.done:
				if l.done <- err; err != nil {
					t.Fatal(err)
				}
			case <-ctx.Done():
				t.Fatalf("waited for %d rows, there are %d", n, there())
			}
			select {
			case more <- struct{}{}:
			default:
			}
		}
	}
	for i := range kills {
		before := permitted.Add(int64(share)) - int64(share)
		// At any moment while this share is sent, fetched, inserted or committed.
		until(before)
		moment := time.NewTimer(time.Duration(rnd.Int64N(int64(500 * time.Millisecond))))
		for waits := true; waits; {
			select {
			case <-moment.C:
				waits = false
			case more <- struct{}{}:
			case <-ctx.Done():
				t.Fatal(ctx.Err())
			}
		}
		kill(i)
	}
	permitted.Store(int64(l.rows))
	until(int64(l.rows))
	if err := <-l.done; err != nil {
		t.Fatal(err)
	}
	// What was inserted last is committed, too.
	adm := kadm.NewClient(l.client)
	for lag := int64(-1); lag != 0; {
		var err error
		if lag, err = clickhouse.Lag(ctx, adm, clickhouse.Group, []string{event.TopicCallFacts}); err != nil {
			t.Log(err)
			lag = -1
		}
		if ctx.Err() != nil {
			t.Fatal("the sink does not commit what it has written")
		}
	}
	l.exact(conn)
}

// TestSinkKilled: ringfence and the ClickHouse it has started are killed in turn while rows are loaded (make kill-sink:
// 2 million rows, 20 kills). Each row is there once.
func TestSinkKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	broker, err := embedded.StartKafka(embedded.KafkaOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	l := newLoad(t, broker.Addrs(), 4, 1, *sinkRows)
	dir := t.TempDir()
	args := []string{"--set", "roles=[sink,api]", "--set", "kafka.brokers=[" + strings.Join(broker.Addrs(), ",") + "]", "--set", "kafka.replication=1", "--set", "kafka.partitions=4"}
	p, url := up(t, dir, args...)
	conn := connect(t, func() (string, error) {
		var ports []int
		b, err := os.ReadFile(filepath.Join(dir, "clickhouse", "ports.json"))
		if err == nil {
			err = json.Unmarshal(b, &ports)
		}
		if err != nil || len(ports) == 0 {
			return "", fmt.Errorf("the engine's ports: %w: %s", err, b)
		}
		return fmt.Sprint("127.0.0.1:", ports[0]), nil
	})
	began := time.Now()
	killWhileLoading(t, l, conn, *sinkKills, func(i int) {
		if i%2 == 0 {
			if err := p.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-p.done
			p, url = up(t, dir, args...)
			return
		}
		b, err := os.ReadFile(filepath.Join(dir, "clickhouse", "child.pid"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d rows and %d kills in %v", l.rows, *sinkKills, time.Since(began).Round(time.Second))
	l.verified(url)
}

// TestApacheSinkKilled: two sinks share the partitions of three Apache Kafka brokers; the sinks, the engine and the
// brokers are killed in turn.
func TestApacheSinkKilled(t *testing.T) {
	a := startApache(t)
	dir := t.TempDir()
	e, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseOptions{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	l := newLoad(t, a.addrs, 6, 3, *sinkRows)
	dirs := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	args := []string{"--set", "roles=[sink,api]", "--set", "kafka.brokers=[" + strings.Join(a.addrs, ",") + "]", "--set", "clickhouse.addr=[" + e.Addr() + "]", "--set", "clickhouse.http_addr=" + e.HTTPAddr(),
		"--set", "ingest.number_key_file=" + filepath.Join(dir, "number.key"), "--set", "kafka.partitions=6"}
	processes, urls := make([]*process, 2), make([]string, 2)
	for i := range processes {
		processes[i], urls[i] = up(t, dirs[i], args...)
	}
	began := time.Now()
	killWhileLoading(t, l, connect(t, func() (string, error) { return e.Addr(), nil }), *sinkKills, func(i int) {
		switch i % 4 {
		case 0, 2:
			n := i / 2 % 2
			if err := processes[n].Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-processes[n].done
			processes[n], urls[n] = up(t, dirs[n], args...)
		case 1:
			if err := e.Kill(); err != nil {
				t.Fatal(err)
			}
		default:
			n := i / 4 % 3
			a.kill(n)
			a.start(n)
			waitForPort(t, a.addrs[n])
		}
	})
	t.Logf("%d rows and %d kills in %v", l.rows, *sinkKills, time.Since(began).Round(time.Second))
	l.verified(urls[0])
}
