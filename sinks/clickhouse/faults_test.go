package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/embedded"
)

// wire forwards connections to ClickHouse and cuts them.
type wire struct {
	l      net.Listener
	target string
	left   atomic.Int64 // bytes until the next cut; 0 = none
	mute   atomic.Bool  // what ClickHouse says is swallowed

	swallowed atomic.Int64 // bytes

	mu    sync.Mutex
	conns map[net.Conn]bool
	dead  bool
	done  sync.WaitGroup
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l, target: target, conns: map[net.Conn]bool{}}
	w.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.done.Go(func() { w.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); w.cut(true); w.done.Wait() })
	return w
}

func (w *wire) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	up, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return
	}
	w.conns[c], w.conns[up] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, d := range [][2]net.Conn{{c, up}, {up, c}} {
		both.Go(func() {
			_, _ = io.Copy(d[1], counted{d[0], w, d[0] == up})
			_ = d[0].Close()
			_ = d[1].Close()
		})
	}
	both.Wait()
	w.mu.Lock()
	delete(w.conns, c)
	delete(w.conns, up)
	w.mu.Unlock()
}

// counted cuts the wire after so many bytes, whatever they are.
type counted struct {
	net.Conn
	w       *wire
	answers bool // ClickHouse's side
}

func (c counted) Read(b []byte) (int, error) {
	if left := c.w.left.Load(); left > 0 && int64(len(b)) > left {
		b = b[:left]
	}
	n, err := c.Conn.Read(b)
	for c.answers && c.w.mute.Load() && err == nil {
		c.w.swallowed.Add(int64(n))
		n, err = c.Conn.Read(b)
	}
	if c.w.left.Load() > 0 && c.w.left.Add(-int64(n)) <= 0 {
		c.w.left.Store(0)
		c.w.cut(false)
		return n, errors.New("cut")
	}
	return n, err
}

func (w *wire) cut(forGood bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = w.dead || forGood
	for c := range w.conns {
		_ = c.Close()
	}
}

// The network is cut after any number of bytes in either direction: in the middle of a block, before the answer, between
// two inserts.
func TestNetworkCuts(t *testing.T) {
	r := newRig(t)
	w := newWire(t, r.engine.Addr())
	rnd := rand.New(rand.NewPCG(7, 8))
	var inserts atomic.Int64
	r.sink(func(o *SinkOptions) {
		o.ClickHouse.Addr = []string{w.l.Addr().String()}
		o.MaxBatch = 800
		o.Hook = func(step string) {
			if step == "inserted" {
				inserts.Add(1)
			}
		}
	})
	for range 25 {
		before := inserts.Load()
		w.left.Store(1 + rnd.Int64N(60_000))
		r.feed(700)
		r.waits("an insert is done", func() bool { return inserts.Load() > before })
	}
	w.left.Store(0)
	r.exact()
}

// A ClickHouse that takes what it is sent and says nothing any more is given up after a while and asked again, and does
// not keep the process from ending.
func TestSilentServer(t *testing.T) {
	r := newRig(t)
	w := newWire(t, r.engine.Addr())
	through := func(o *SinkOptions) {
		o.ClickHouse.Addr = []string{w.l.Addr().String()}
		o.Patience = time.Second
	}
	var s *Sink
	stop := r.sinkOf(through, &s)
	r.feed(100)
	r.exact()
	w.mute.Store(true)
	r.feed(100)
	r.waits("the sink says that nobody answers", func() bool { _, why := s.Status(); return strings.Contains(why, "did not answer") })
	stop()
	w.cut(false)
	w.mute.Store(false)
	r.sink(through)
	r.exact()
}

// A process that is told to end does so while an insert waits for an answer that does not come: its partitions are
// wanted elsewhere.
func TestEndsWhileNobodyAnswers(t *testing.T) {
	r := newRig(t)
	w := newWire(t, r.engine.Addr())
	through := func(o *SinkOptions) { o.ClickHouse.Addr = []string{w.l.Addr().String()} }
	stop := r.sink(through)
	r.feed(100)
	r.exact()
	w.mute.Store(true)
	r.feed(100)
	r.waits("an answer is swallowed", func() bool { return w.swallowed.Load() > 0 })
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute): // the client itself reads for two
		t.Fatal("the sink waits for an answer, told to end a minute ago")
	}
	w.cut(false)
	w.mute.Store(false)
	r.sink(through)
	r.exact()
}

// A consumer group that was set back to the start writes everything again: every row stands once all the same.
func TestReplayFromTheStart(t *testing.T) {
	r := newRig(t)
	stop := r.sink(nil)
	r.feed(4000)
	r.exact()
	stop()
	adm := kadm.NewClient(r.client)
	if _, err := adm.DeleteGroup(t.Context(), Group); err != nil {
		t.Fatal(err)
	}
	r.sink(nil)
	r.waits("everything is there a second time", func() bool { return r.number("count() FROM calls") >= 2*int64(r.calls) || r.lag(adm) == 0 })
	r.feed(100)
	r.exact()
}

func (r *rig) admin() *kadm.Client { return kadm.NewClient(r.client) }

func (r *rig) lag(adm *kadm.Client) int64 {
	n, err := Lag(context.Background(), adm, Group, sources())
	if err != nil {
		return -1
	}
	return n
}

// Processes come and go all the time: partitions move, in the middle of inserts too.
func TestPartitionsMove(t *testing.T) {
	r := newRig(t)
	var tables atomic.Int64
	slow := func(o *SinkOptions) { o.MaxBatch = 300; o.Hook = func(string) { tables.Add(1) } }
	stops := []func(){r.sink(slow), r.sink(slow)}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		before := tables.Load()
		r.feed(1500)
		r.waits("some steps are done", func() bool { return tables.Load() > before+rnd.Int64N(6) })
		stops = append(stops, r.sink(slow))
		stops[0]()
		stops = stops[1:]
	}
	r.exact()
}

// Columns that were added, or whose type another tool has changed, do not matter: rows go on going in.
func TestTableAltered(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	r.feed(500)
	r.exact()
	for _, q := range []string{"ADD COLUMN noted_by String DEFAULT 'nobody' FIRST", "MODIFY COLUMN outcome String", "MODIFY COLUMN hangup_cause LowCardinality(String) CODEC(ZSTD(1))", "MODIFY COLUMN reached Nullable(UInt8)",
		"MODIFY COLUMN prepared_ms Nullable(Int32)", "MODIFY COLUMN received_at DateTime64(6, 'UTC')"} {
		if err := r.conn.Exec(t.Context(), "ALTER TABLE calls "+q, nil); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		r.feed(500)
	}
	r.exact()
	if n := r.number("countIf(noted_by = 'nobody') FROM calls FINAL"); n != int64(r.calls) {
		t.Errorf("%d rows have the new column's default, want %d", n, r.calls)
	}
}

func run(t *testing.T, r *rig, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if err := r.conn.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// A column that is gone, or a table that takes no row any more, is waited for: nothing is dropped or given up.
func TestTableBroken(t *testing.T) {
	const drop, add = "ALTER TABLE calls DROP COLUMN strategy", "ALTER TABLE calls ADD COLUMN strategy "
	for what, x := range map[string]struct {
		harm, mend []string
		status     string
	}{
		"a column is gone":                         {[]string{drop}, []string{add + "LowCardinality(String)"}, "strategy"},
		"the table is gone":                        {[]string{"RENAME TABLE calls TO elsewhere"}, []string{"RENAME TABLE elsewhere TO calls"}, "calls"},
		"it refuses every row":                     {[]string{"ALTER TABLE calls ADD CONSTRAINT never CHECK revision = 0"}, []string{"ALTER TABLE calls DROP CONSTRAINT never"}, "altered"},
		"a column is of a type that takes no word": {[]string{drop, add + "Map(String, UInt8)"}, []string{drop, add + "LowCardinality(String)"}, "altered"},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			var s *Sink
			r.sinkOf(nil, &s)
			r.feed(200)
			r.exact()
			run(t, r, x.harm...)
			r.feed(200)
			r.waits("the sink says why it waits", func() bool { ready, why := s.Status(); return !ready && strings.Contains(why, x.status) })
			run(t, r, x.mend...)
			r.exact()
			r.waits("the sink is ready again", func() bool { ready, _ := s.Status(); return ready })
			if n := r.number("count() FROM dead_letter"); n != 0 {
				t.Errorf("%d rows in the dead letter, want 0: the table was to blame", n)
			}
		})
	}
}

// Of many rows ClickHouse refuses some, alone and in clusters: each of these is in the dead letter, each other one is in.
func TestRefusedRows(t *testing.T) {
	r := newRig(t)
	if err := r.conn.Exec(t.Context(), "ALTER TABLE calls ADD CONSTRAINT odd CHECK NOT (prepared_ms = 7 OR prepared_ms BETWEEN 500 AND 529 OR prepared_ms = 2999)"); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	r.sink(func(o *SinkOptions) { o.Registerer = reg })
	r.feed(3000)
	const bad = 32
	r.waits("the others are in", func() bool { return r.number("uniqExact(call_id) FROM calls") == int64(r.calls)-bad })
	r.waits("they are in the dead letter", func() bool { return r.number("count() FROM dead_letter FINAL") == bad })
	if n := r.number("countIf(prepared_ms IN (7, 510, 2999)) FROM calls"); n != 0 {
		t.Errorf("%d of the refused rows are in the table", n)
	}
	if n := r.number("countIf(reason LIKE '%odd%' AND position LIKE 'ringfence.call-facts/%/calls/0') FROM dead_letter FINAL"); n != bad {
		t.Errorf("%d letters say which record and why, want %d", n, bad)
	}
}

// Too many parts: ClickHouse asks for a pause and gets it.
func TestTooManyParts(t *testing.T) {
	r := newRig(t)
	var s *Sink
	run(t, r, "SYSTEM STOP MERGES calls", "ALTER TABLE calls MODIFY SETTING parts_to_throw_insert = 3, parts_to_delay_insert = 2")
	r.sinkOf(func(o *SinkOptions) { o.MaxBatch = 100 }, &s)
	for range 5 {
		r.feed(300)
	}
	r.waits("the sink waits", func() bool {
		ready, why := s.Status()
		return !ready && strings.Contains(strings.ToLower(why), "too many parts")
	})
	run(t, r, "SYSTEM START MERGES calls", "ALTER TABLE calls RESET SETTING parts_to_throw_insert, parts_to_delay_insert")
	r.exact()
}

// The disk is full, in a file system of 96 MB: the sink waits, and when there is space again nothing is missing.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("needs the right to mount a file system")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	r := newRigOn(t, embedded.ClickHouseOptions{Dir: dir})
	var s *Sink
	r.sinkOf(nil, &s)
	r.feed(500)
	r.exact()
	full := filepath.Join(dir, "filler")
	f, err := os.Create(full)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size >= 1; size /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	_ = f.Close()
	r.feed(3000)
	r.waits("the sink waits for space", func() bool {
		ready, why := s.Status()
		return !ready && (strings.Contains(why, "space") || strings.Contains(why, "reserve"))
	})
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	r.exact()
}

// A call in a quiet centre does not wait for others; a backlog goes in in large batches.
func TestBatchesFollowLag(t *testing.T) {
	r := newRig(t)
	var records atomic.Int64
	const backlog = 30_000
	for range backlog / 3000 {
		r.feed(3000)
	}
	stop := r.sink(func(o *SinkOptions) {
		o.Linger, o.MaxBatch = time.Hour, backlog/3
		o.Hook = func(step string) {
			if step == "inserted" {
				records.Add(1)
			}
		}
	})
	// Three batches and what lingers behind them; a quarter of the largest batch is enough for one.
	r.waits("the backlog is in", func() bool { return r.number("count() FROM calls") >= backlog*9/10 })
	if n := records.Load(); n > 16 {
		t.Errorf("%d batches for a backlog of %d records", n, backlog)
	}
	stop()
	fresh := newRig(t)
	fresh.sink(func(o *SinkOptions) { o.Linger = time.Hour })
	fresh.feed(1)
	fresh.exact()
}

// Bytes of any kind are rows or an error, never a panic, on every topic.
func FuzzRows(f *testing.F) {
	for i := range sources() {
		f.Add(i, []byte{})
		f.Add(i, []byte("\x0a\x05hello"))
		f.Add(i, []byte("\xff\xff\xff"))
	}
	full := event.CallFact{Call: &event.Call{CallId: "c", CustomerId: "13800138000", Products: []string{"a", "b"}, Recording: &event.Recording{Uri: "1790000000.1-13800138000.wav"}}}
	b, err := full.MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, b)
	s := &Sink{opt: SinkOptions{CustomerHash: func(id string) string { return fmt.Sprint(len(id)) }}}
	f.Fuzz(func(t *testing.T, topic int, value []byte) {
		topics := sources()
		r := &kgo.Record{Topic: topics[uint(topic)%uint(len(topics))], Value: value}
		c := s.newConverter()
		for range 2 { // the second time into what the first has left
			c.reset()
			c.now = r
			err := c.rows(r)
			for _, table := range c.order {
				b := c.blocks[table]
				if err != nil || b.rows == 0 || b.next != 0 || len(b.columns) != len(names(table)) {
					t.Fatalf("%s: error %v, %d rows of %d columns", table, err, b.rows, len(b.columns))
				}
				for i := range b.columns {
					if b.columns[i].Rows() != b.rows {
						t.Fatalf("%s.%s has %d values in %d rows", table, names(table)[i], b.columns[i].Rows(), b.rows)
					}
				}
			}
		}
	})
}
