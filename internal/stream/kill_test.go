package stream

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// childEnv holds "seeds|dir|instance" for a process of this test binary that runs nothing but a Runner.
const childEnv = "RINGFENCE_STREAM_CHILD"

func childMain() int {
	f := strings.Split(os.Getenv(childEnv), "|")
	r, err := New(tallyDef("kill"), Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(f[0])}, DataDir: f[1], InstanceID: f[2], Session: time.Second, MaxPoll: 200, MemTable: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: childLevel()})),
	})
	if err != nil {
		slog.Error("new", "err", err)
		return 1
	}
	if err := r.Run(context.Background()); err != nil {
		slog.Error("run", "err", err)
		return 1
	}
	return 0
}

func (b *broker) child(dir, instance string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+b.c.ListenAddrs()[0]+"|"+dir+"|"+instance)
	if os.Getenv("RINGFENCE_TEST_LOG") != "" {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	return cmd
}

// high is where the outputs end, markers included: it grows as transactions end.
func (b *broker) high() (n int64) {
	for _, p := range b.c.PartitionInfos(outTopic) {
		n += p.HighWatermark
	}
	return n
}

func (b *broker) kill(cmd *exec.Cmd) {
	b.t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	_ = cmd.Wait()
}

// One process, killed again and again in mid-run and started on the same directory.
func TestKillMinus9(t *testing.T) {
	b, dir, o := newBroker(t, 3), t.TempDir(), newOracle()
	for range 5 {
		b.feed(o, 4000, 173)
		from, some := b.high(), 200+rand.Int64N(2500)
		c := b.child(dir, "one")
		until(t, "some outputs", func() bool { return b.high() > from+some })
		b.kill(c)
	}
	c := b.child(dir, "one")
	b.check(o)
	b.kill(c)
}

// Two processes share the work; one is killed and doesn't come back: the other takes over all of it.
func TestKillOneOfTwo(t *testing.T) {
	b, o := newBroker(t, 4), newOracle()
	b.feed(o, 2000, 173)
	c1, c2 := b.child(t.TempDir(), "one"), b.child(t.TempDir(), "two")
	defer b.kill(c2)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := b.c.WaitGroupStable(ctx, Group("kill"), 2); err != nil {
		t.Fatal(err)
	}
	b.check(o)
	from := b.high()
	b.feed(o, 20_000, 173)
	until(t, "some outputs", func() bool { return b.high() > from+1000 })
	b.kill(c1)
	killed := time.Now()
	b.check(o)
	took := time.Since(killed)
	t.Logf("took over, and all was decided, after %v", took)
	if took > 5*time.Second {
		t.Errorf("that is more than 5 s")
	}
}

func childLevel() slog.Level {
	if os.Getenv("RINGFENCE_TEST_LOG") == "-4" {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
