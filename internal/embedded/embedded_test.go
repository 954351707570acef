package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMain(m *testing.M) {
	MaybeRunChild()
	if dir := os.Getenv("EMBEDDED_TEST_PARENT"); dir != "" {
		parent(dir)
	}
	os.Exit(m.Run())
}

// parent is a process with everything embedded that is killed from outside.
func parent(dir string) {
	lock, err := LockDataDir(dir)
	if err != nil {
		panic(err)
	}
	defer runtime.KeepAlive(lock)
	k, err := StartKafka(KafkaOptions{Dir: filepath.Join(dir, "kafka")})
	if err != nil {
		panic(err)
	}
	c, err := StartClickHouse(context.Background(), ClickHouseOptions{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.DefaultProduceTopic("t"))
	if err != nil {
		panic(err)
	}
	if _, err := kadm.NewClient(cl).CreateTopics(ctx, 1, 1, nil, "t"); err != nil {
		panic(err)
	}
	if err := cl.ProduceSync(ctx, kgo.StringRecord("kept")).FirstErr(); err != nil {
		panic(err)
	}
	conn := open(c)
	for _, q := range []string{"CREATE TABLE t (x UInt64) ENGINE=MergeTree ORDER BY x", "INSERT INTO t SELECT number FROM numbers(1000)"} {
		if err := conn.Exec(ctx, q); err != nil {
			panic(err)
		}
	}
	_, _ = os.Stdout.WriteString("ready\n")
	select {}
}

func open(c *ClickHouse) driver.Conn {
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{c.Addr()}})
	if err != nil {
		panic(err)
	}
	return conn
}

func rows(t *testing.T, c *ClickHouse) uint64 {
	t.Helper()
	conn := open(c)
	defer func() { _ = conn.Close() }()
	var n uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What was acknowledged before kill -9 is there after it; the child is gone with its parent; the directory is free.
func TestKillNine(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_PARENT="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	b := make([]byte, 6)
	if _, err := out.Read(b); err != nil || string(b) != "ready\n" {
		t.Fatalf("the process did not start: %q %v", b, err)
	}
	if _, err := LockDataDir(dir); err == nil || !strings.Contains(err.Error(), "in use by another ringfence (process") {
		t.Fatalf("a directory in use: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	lock, err := LockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	k, err := StartKafka(KafkaOptions{Dir: filepath.Join(dir, "kafka")})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if f := cl.PollFetches(ctx); f.NumRecords() != 1 || string(f.Records()[0].Value) != "kept" {
		t.Errorf("the acknowledged record is not there: %v", f.Errors())
	}
	c, err := StartClickHouse(t.Context(), ClickHouseOptions{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := rows(t, c); n != 1000 {
		t.Errorf("%d rows after the kill, want 1000", n)
	}
	// The engine alone is killed: it comes back by itself, with its rows.
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	conn := open(c)
	defer func() { _ = conn.Close() }()
	for ctx.Err() == nil {
		if err := conn.Ping(ctx); err == nil {
			break
		}
	}
	if n := rows(t, c); n != 1000 {
		t.Errorf("%d rows after the engine's kill, want 1000", n)
	}
}

func TestLibraryIsChecked(t *testing.T) {
	for _, c := range []struct{ name, content, sum, want string }{
		{"missing", "", "", "is not installed"},
		{"half installed", "x", "", "only half installed"},
		{"damaged", "x", "deadbeef", "is damaged"},
		{"whole", "x", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("RINGFENCE_CACHE_DIR", dir)
			lib := filepath.Join(dir, "chdb", "libchdb.so")
			for name, content := range map[string]string{lib: c.content, lib + ".sha256": c.sum} {
				if content == "" {
					continue
				}
				err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(content), 0o600))
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := Library()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestTakenPortIsReplaced(t *testing.T) {
	dir := t.TempDir()
	first, err := StartKafka(KafkaOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	p, err := ports(dir, 1) // the note names the port the first one holds
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(first.Addrs()[0], ":"+string(rune(p[0]))) {
		t.Errorf("port %d is taken and was given again", p[0])
	}
}
