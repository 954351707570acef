package stream

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is one input record of a processor.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []kgo.RecordHeader
	Time      time.Time // Kafka's timestamp: the producing process's clock
}

// Output is one record a processor emits inside the transaction.
type Output struct {
	Topic       string
	Key         []byte
	Value       []byte
	Headers     []kgo.RecordHeader
	Partition   int32 // used when ToPartition is set; otherwise the key decides
	ToPartition bool
}

// Codec turns the state of one key into bytes and back. Append must be deterministic.
type Codec[S any] interface {
	Append(dst []byte, s *S) ([]byte, error)
	Decode(src []byte) (*S, error) // must not keep src
}

// Borrower is a codec whose states are over when a record is: those of the next record are read into their memory.
type Borrower[S any] interface {
	Codec[S]
	// Borrow makes s the state of src, and an empty one if src is empty, whatever s was before. It may keep parts of src: the runtime
	// changes src only when nobody looks at s any more.
	Borrow(s *S, src []byte) error
}

// Definition says what a processor is: a name, its inputs, its state's codec and two functions. Both are called
// for one partition at a time, keys in order; different partitions run in parallel.
type Definition[S any] struct {
	Name    string   // consumer group ringfence.<name>, changelog ringfence.<name>-changelog
	Inputs  []string // topics that share the number of partitions
	Codec   Codec[S]
	Process func(c *Context[S], r *Record) error
	// OwnKey says that Process mostly asks for the state of the record's own key: those of a poll are then looked up together.
	OwnKey bool
	// Timer is called when stream time (the later of the wall clock and the newest record's timestamp)
	// has reached the time set for the key. Optional.
	Timer func(c *Context[S], key string, at time.Time) error
}

// Reject is the error of a record that can never be processed: it goes to the dead letter, the rest goes on.
type Reject struct {
	Reason  string
	Pointer string
}

func (r *Reject) Error() string { return r.Reason }
