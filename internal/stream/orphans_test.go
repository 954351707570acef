package stream

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOrphans(t *testing.T) {
	members := []string{"me", "two"}
	open := []string{"ringfence.x.gone", "ringfence.x.gone.boot1", "ringfence.x.two", "ringfence.x.two.boot7", "ringfence.x.twofold", "ringfence.x.me.before"}
	want := []string{"ringfence.x.gone", "ringfence.x.gone.boot1", "ringfence.x.twofold", "ringfence.x.me.before"}
	if got := orphans(open, "ringfence.x.", "me", members); !slices.Equal(got, want) {
		t.Errorf("orphans are %v, want %v", got, want)
	}
}

// A process was killed when it had written outputs and nothing else: whoever takes over ends its transaction, and the
// outputs behind it can be read. The broker itself would wait for ten minutes.
func TestOutputsOfAProcessThatIsGone(t *testing.T) {
	b, o := newBroker(t, 2), newOracle()
	gone := b.client(kgo.TransactionalID(Group("heir")+".gone.boot"), kgo.TransactionTimeout(10*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := gone.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if err := gone.ProduceSync(t.Context(), &kgo.Record{Topic: outTopic, Partition: p, Key: []byte("ghost"), Value: []byte("1:1")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	start(t, tallyDef("heir"), b.config(t.TempDir(), "heir"))
	b.feed(o, 500, 31)
	b.check(o)
}
