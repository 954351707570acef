package importer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// What one process keeps the other reads, also one that starts later.
func TestKafkaMarks(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, event.TopicImports))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	open := func() *KafkaMarks {
		k, err := NewKafkaMarks(kgo.SeedBrokers(c.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		return k
	}
	a, b := open(), open()
	if m, err := b.Load(ctx, "d"); err != nil || m != nil {
		t.Fatalf("an empty topic: %v %v", m, err)
	}
	for n := range int64(3) {
		if err := a.Save(ctx, &event.ImportMark{Digest: "d", Bytes: n + 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []*KafkaMarks{a, b, open()} {
		if m, err := k.Load(ctx, "d"); err != nil || m.GetBytes() != 3 {
			t.Errorf("%v %v", m, err)
		}
	}
}
