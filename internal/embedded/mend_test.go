package embedded

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const mendParts = 3

// logWith makes a log of two transactions, and returns copies of it: before the second one's commit, after it, and after
// a third one was begun. Files only ever grow, so that what a crash in the middle of the commit leaves is for each file
// one of its states between the first two copies.
func logWith(t *testing.T) (before, after, open string) {
	t.Helper()
	dir := t.TempDir()
	k, err := StartKafka(KafkaOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	ctx := t.Context()
	adm, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := kadm.NewClient(adm).CreateTopics(ctx, mendParts, 1, nil, "in", "out"); err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		r := &kgo.Record{Topic: "in", Partition: int32(i % mendParts), Value: []byte("x")}
		if err := adm.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(k.Addrs()...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"), kgo.TransactionalID("tx"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	copied := func() string {
		to := t.TempDir()
		if err := os.CopyFS(to+"/c", os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return to + "/c"
	}
	for txn := range 3 {
		for seen := 0; seen < 3; {
			seen += s.PollRecords(ctx, 3).NumRecords()
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(mendParts) {
			r := &kgo.Record{Topic: "out", Partition: p, Value: fmt.Append(nil, "t", txn)}
			if err := s.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if txn == 1 {
			before = copied()
		}
		if txn == 2 {
			open = copied()
			if _, err := s.End(ctx, kgo.TryAbort); err != nil {
				t.Fatal(err)
			}
			return before, after, open
		}
		if ok, err := s.End(ctx, kgo.TryCommit); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if txn == 1 {
			after = copied()
		}
	}
	return
}

// seen is what a reader of committed records finds, and the sum of the group's offsets.
func seenAfter(t *testing.T, dir string) (values []string, offsets int64) {
	t.Helper()
	k, err := StartKafka(KafkaOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListCommittedOffsets(ctx, "out")
	if err != nil {
		t.Fatal(err)
	}
	all, err := adm.ListEndOffsets(ctx, "out")
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if end, _ := all.Lookup("out", o.Partition); end.Offset != o.Offset {
			t.Errorf("partition %d is stable up to %d of %d", o.Partition, o.Offset, end.Offset)
		}
		if o.Offset > 0 {
			left++
		}
	})
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatal("the log cannot be read to its end")
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				values = append(values, fmt.Sprintf("%s/%d", r.Value, r.Partition))
			}
			if end, _ := ends.Lookup("out", r.Partition); r.Offset == end.Offset-1 {
				left--
			}
		})
	}
	slices.Sort(values)
	got, err := adm.FetchOffsets(ctx, "g")
	if err != nil {
		t.Fatal(err)
	}
	got.Each(func(o kadm.OffsetResponse) { offsets += max(o.At, 0) })
	return values, offsets
}

var (
	oneTxn  = []string{"t0/0", "t0/1", "t0/2"}
	twoTxns = []string{"t0/0", "t0/1", "t0/2", "t1/0", "t1/1", "t1/2"}
)

// TestMend: whatever a crash leaves of a commit, it is a whole commit after the next start if it had begun, and none of
// it otherwise; and so it stays over another crash.
func TestMend(t *testing.T) {
	before, after, open := logWith(t)
	r := rand.New(rand.NewPCG(1, 2))
	files := grown(t, before, after)
	if len(files) < 2*mendParts+3 {
		t.Fatalf("the commit wrote %v", files)
	}
	for i := range 40 {
		dir := t.TempDir() + "/d"
		if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
			t.Fatal(err)
		}
		begun := i > 3
		if begun {
			use(t, dir, after, "commit.intent", -1)
		}
		for _, f := range files {
			// The last step is the line in pids.log; before it the offsets, a line each; before them the markers. Some
			// have all of a step, some a part.
			if !begun || f == "commit.intent" || strings.HasSuffix(f, "pids.log") || strings.HasSuffix(f, "groups.log") || strings.HasSuffix(f, ".idx") {
				continue
			}
			switch r.IntN(3) {
			case 0: // the marker and its index entry
				use(t, dir, after, f, -1)
				use(t, dir, after, strings.TrimSuffix(f, ".dat")+".idx", -1)
			case 1: // the marker without its index entry, or torn
				use(t, dir, after, f, r.IntN(2)*(1+r.IntN(40)))
			}
		}
		if begun && r.IntN(3) == 0 { // all markers, and some offsets
			for _, f := range files {
				if strings.HasSuffix(f, ".dat") || strings.HasSuffix(f, ".idx") {
					use(t, dir, after, f, -1)
				}
			}
			use(t, dir, after, "log/groups.log", 1+r.IntN(200))
		}
		want, offsets := twoTxns, int64(6)
		if !begun {
			want, offsets = oneTxn, 3
		}
		for range 2 { // the second start must not find anything else
			got, sum := seenAfter(t, dir)
			if d := cmp.Diff(want, got); d != "" || sum != offsets {
				t.Fatalf("case %d: %s\noffsets %d, want %d", i, d, sum, offsets)
			}
			if err := os.WriteFile(dir+"/commit.intent", make([]byte, 8), 0o600); err != nil { // as if killed
				t.Fatal(err)
			}
		}
	}
	// A transaction without an intent is aborted, and the commits before it stand.
	got, sum := seenAfter(t, open)
	if d := cmp.Diff(twoTxns, got); d != "" || sum != 6 {
		t.Errorf("%s\noffsets %d", d, sum)
	}
}

// grown lists the files that differ.
func grown(t *testing.T, a, b string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(b, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(b, path)
		if err != nil {
			return err
		}
		x, _ := os.ReadFile(filepath.Join(a, rel))
		y, err := os.ReadFile(path)
		if string(x) != string(y) {
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// use takes a file from another copy, less its last bytes if less is not negative.
func use(t *testing.T, dir, from, file string, less int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, file))
	if err != nil {
		t.Fatal(err)
	}
	if less > 0 {
		was, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		b = b[:max(len(b)-less, len(was))]
	}
	if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
		t.Fatal(err)
	}
}
