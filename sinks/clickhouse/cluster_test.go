package clickhouse

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ringfence/ringfence/internal/embedded"
)

// shards are embedded engines that know each other as one cluster.
func shards(t *testing.T, n int) []*embedded.ClickHouse {
	t.Helper()
	dir := t.TempDir()
	var ports [][2]int
	var listeners []net.Listener
	for range 2 * n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	var servers strings.Builder
	for i := range n {
		ports = append(ports, [2]int{listeners[2*i].Addr().(*net.TCPAddr).Port, listeners[2*i+1].Addr().(*net.TCPAddr).Port})
		fmt.Fprintf(&servers, "<shard><replica><host>127.0.0.1</host><port>%d</port></replica></shard>", ports[i][0])
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	config := filepath.Join(dir, "config.xml")
	text := "<clickhouse><remote_servers><centre>" + servers.String() + "</centre></remote_servers><macros><shard>1</shard><replica>1</replica></macros></clickhouse>"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out []*embedded.ClickHouse
	for i := range n {
		at := filepath.Join(dir, fmt.Sprint("shard", i+1))
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(ports[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(at, "ports.json"), b, 0o600); err != nil { // the ports of its last start, as it takes it
			t.Fatal(err)
		}
		e, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseOptions{Dir: at, Config: config})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		if want := fmt.Sprint("127.0.0.1:", ports[i][0]); e.Addr() != want {
			t.Fatalf("shard %d is at %s, want %s", i+1, e.Addr(), want)
		}
		out = append(out, e)
	}
	return out
}

// The same facts on a cluster of two shards: each row is on one of them, and asked through either it stands once, also
// after an engine was killed in the middle of inserts.
func TestCluster(t *testing.T) {
	engines := shards(t, 2)
	o := Options{Addr: []string{engines[0].Addr(), engines[1].Addr()}, Database: "ringfence", Username: "default", Cluster: "centre"}
	r := newRigAt(t, engines[0], o)
	var tables atomic.Int64
	r.sink(func(o *SinkOptions) { o.MaxBatch = 400; o.Hook = func(string) { tables.Add(1) } })
	r.feed(2000)
	for i := range 3 {
		before := tables.Load()
		r.feed(2000)
		r.waits("an insert is done", func() bool { return tables.Load() > before })
		if err := engines[i%2].Kill(); err != nil {
			t.Fatal(err)
		}
	}
	r.exact()
	var parts [2]int64
	for i, e := range engines {
		one := Options{Addr: []string{e.Addr()}, Database: "ringfence_local", Username: "default"}
		c, err := one.connect(one.Database)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = count(t, c, "uniqExact(call_id) FROM calls")
		_ = c.Close()
		whole := o
		whole.Addr = []string{e.Addr()}
		if c := openDB(t, whole); count(t, c, "count() FROM calls_current") != int64(r.calls) {
			t.Errorf("shard %d sees %d calls, want %d", i+1, count(t, c, "count() FROM calls_current"), r.calls)
		}
	}
	if parts[0]+parts[1] != int64(r.calls) || parts[0] < int64(r.calls)/3 || parts[1] < int64(r.calls)/3 {
		t.Errorf("the shards have %v calls, together want %d, each about a half", parts, r.calls)
	}
	t.Run("token", func(t *testing.T) {
		for range 3 {
			ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"insert_deduplication_token": "once", "distributed_foreground_insert": 1}))
			if err := r.conn.Exec(ctx, "INSERT INTO surveys (call_id, at, score, event_id, arrival) SELECT toString(number), now(), 'neutral', toString(number), number FROM numbers(100)"); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.number("count() FROM surveys"); n != 100 {
			t.Errorf("%d rows, want 100: a Distributed insert keeps its token", n)
		}
	})
	t.Run("altered", func(t *testing.T) {
		for _, e := range engines {
			local := Options{Addr: []string{e.Addr()}, Database: "ringfence_local", Username: "default"}
			c, err := local.connect(local.Database)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Exec(t.Context(), "ALTER TABLE surveys ADD COLUMN comment String"); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
		if c := openDB(t, o); count(t, c, "countIf(comment = '') FROM surveys") != 100 {
			t.Error("a new column of the shards is not in the table over them")
		}
	})
}

func TestClusterRefused(t *testing.T) {
	e := shards(t, 1)[0]
	o := Options{Addr: []string{e.Addr()}, Database: "ringfence", Username: "default", Cluster: "center"}
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"center"`) || !strings.Contains(err.Error(), "centre") {
		t.Errorf("error %v, want one that names the clusters there are", err)
	}
	o.Cluster = ""
	openDB(t, o)
	o.Cluster = "centre"
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "made for one server") {
		t.Errorf("error %v, want one that says the database is one server's", err)
	}
}

// The statements for replicas are ClickHouse's: the engine parses each, and refuses to make a table only because it has
// no Keeper.
func TestReplicatedStatements(t *testing.T) {
	c := empty(t, Options{Addr: []string{shards(t, 1)[0].Addr()}, Database: "ringfence", Username: "default"})
	all, err := released()
	if err != nil {
		t.Fatal(err)
	}
	const noKeeper = 225
	replicated := 0
	for _, m := range all {
		for _, q := range m.statements {
			for _, s := range []string{onCluster(replicatedEngine(q), "centre"), replicatedEngine(q)} {
				var formatted string
				if err := c.QueryRow(t.Context(), "SELECT formatQuery(?)", s).Scan(&formatted); err != nil {
					t.Errorf("%s: %v", s, err)
				}
			}
			if s := onCluster(q, "centre"); !isInsert(q) && !strings.Contains(s, " ON CLUSTER 'centre'") {
				t.Errorf("not for the cluster: %s", s)
			}
			if s := replicatedEngine(q); s != q {
				replicated++
				// Alone a server wants to be told the table's uuid; ON CLUSTER gives it one.
				s = regexp.MustCompile(`^CREATE TABLE (?:IF NOT EXISTS )?\w+`).ReplaceAllString(s, "$0 UUID '"+uuid.NewString()+"'")
				var ex *ch.Exception
				if err := c.Exec(t.Context(), s); !errors.As(err, &ex) || ex.Code != noKeeper {
					t.Errorf("%s: %v, want NO_ZOOKEEPER", s, err)
				}
			}
			if err := c.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
	}
	if replicated < 15 {
		t.Errorf("%d tables are replicated", replicated)
	}
}

func TestOnCluster(t *testing.T) {
	for q, want := range map[string]string{
		"CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = MergeTree ORDER BY x": "CREATE TABLE IF NOT EXISTS a ON CLUSTER 'c' (x Int8) ENGINE = ReplicatedMergeTree ORDER BY x",
		"CREATE TABLE a AS b ENGINE = ReplacingMergeTree(v) ORDER BY x":       "CREATE TABLE a ON CLUSTER 'c' AS b ENGINE = ReplicatedReplacingMergeTree(v) ORDER BY x",
		"CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1":           "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'c' TO t AS SELECT 1",
		"CREATE OR REPLACE VIEW v AS SELECT * FROM a FINAL":                   "CREATE OR REPLACE VIEW v ON CLUSTER 'c' AS SELECT * FROM a FINAL",
		"ALTER TABLE a ADD COLUMN x Int8":                                     "ALTER TABLE a ON CLUSTER 'c' ADD COLUMN x Int8",
		"DROP VIEW IF EXISTS v":                                               "DROP VIEW IF EXISTS v ON CLUSTER 'c'",
		"RENAME TABLE a TO b, c TO a":                                         "RENAME TABLE a TO b, c TO a ON CLUSTER 'c'",
		"CREATE DATABASE IF NOT EXISTS d":                                     "CREATE DATABASE IF NOT EXISTS d ON CLUSTER 'c'",
	} {
		if got := onCluster(replicatedEngine(q), "c"); got != want {
			t.Errorf("%s\n%s", q, cmp.Diff(want, got))
		}
	}
	if got := splitKey("day, key != '', cityHash64(a, b)"); !cmp.Equal(got, []string{"day", "key != ''", "cityHash64(a, b)"}) {
		t.Errorf("%q", got)
	}
}
