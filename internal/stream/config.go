package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// Runnable is a Runner with its state type forgotten, for whoever starts several.
type Runnable interface {
	// Name is the processor's name.
	Name() string
	// Run processes until ctx is done, then finishes the transaction in hand, leaves the group, closes the store
	// and returns nil. It returns an error only for what waiting can't heal: a wrong configuration, partitions
	// changed in number, a store that can't be opened. It may be called once.
	Run(ctx context.Context) error
	// Status may be called at any time, from any goroutine.
	Status() Status
}

// Status says how a Runner is.
type Status struct {
	Ready      bool   // member of the group, Kafka answers, every partition it owns is recovered
	Detail     string // why not, or what last went wrong
	Partitions []PartitionStatus
	Lag        int64 // records committed to the inputs and not yet processed, over all its partitions
}

// PartitionStatus is the state of one partition the Runner owns.
type PartitionStatus struct {
	Partition int32
	Ready     bool
	Recovered int64 // changelog offsets replayed so far
	Remaining int64 // changelog offsets still to replay
	Lag       int64
	Entries   int64 // keys with a state
}

// Config is what a Runner needs beside its Definition. The zero value of a field means its default.
type Config struct {
	Kafka         []kgo.Opt               // seed brokers, TLS, SASL; required
	DataDir       string                  // the store is made under DataDir/state/<name>; required
	InstanceID    string                  // static member of the group and half of the transactional ID; default: made once and kept in DataDir
	Boot          string                  // ends the transactional ID: a name of this start of the process, for a broker that dies with it (see docs/architecture.md); default: none
	Partitions    int32                   // what the inputs must have; default: what they have
	Replication   int16                   // of the changelog; default: the broker's own
	MaxPoll       int                     // records a transaction takes at most; default 50,000
	CacheEntries  int                     // states kept in memory, over all partitions; default 200,000
	Decoded       int                     // of those, how many are kept as the codec decodes them, which takes much more memory; default 20,000
	Standby       bool                    // follow the changelogs of the partitions other processes own, to take over at once
	BlockCache    int64                   // bytes of the store's own cache; default 64 MiB
	MemTable      uint64                  // bytes of the store's write buffer; default 64 MiB
	Session       time.Duration           // a process silent for so long loses its partitions; default 3 s, raised to 6 s or more if the brokers refuse it
	TxnTimeout    time.Duration           // the broker aborts a transaction older than this; default 15 s
	Tick          time.Duration           // timers are looked at this often when no record comes; default 200 ms
	Drain         time.Duration           // what Run may take after ctx is done; default 10 s
	Attempts      int                     // how often a record that fails is tried before it goes to the dead letter; default 4
	DeadLetter    func(*event.DeadLetter) // sees every dead letter before it is written, to mask or seal; optional
	Logger        *slog.Logger
	Registerer    prometheus.Registerer
	Clock         func() time.Time
	MaxStaleStore time.Duration // a store not written for longer is thrown away and replayed; default 6 days, below the changelog's delete.retention.ms
}

// topicDeleteRetention is how long the changelog keeps tombstones: a store that slept longer could miss one.
const topicDeleteRetention = 7 * 24 * time.Hour

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if c.MaxPoll <= 0 {
		c.MaxPoll = 50_000
	}
	if c.CacheEntries <= 0 {
		c.CacheEntries = 200_000
	}
	if c.Decoded <= 0 {
		c.Decoded = 20_000
	}
	if c.BlockCache <= 0 {
		c.BlockCache = 64 << 20
	}
	if c.MemTable == 0 {
		c.MemTable = 64 << 20
	}
	if c.Replication == 0 {
		c.Replication = -1
	}
	if c.Attempts <= 0 {
		c.Attempts = 4
	}
	def(&c.Session, 3*time.Second)
	def(&c.TxnTimeout, 15*time.Second)
	def(&c.Tick, 200*time.Millisecond)
	def(&c.Drain, 10*time.Second)
	def(&c.MaxStaleStore, 6*24*time.Hour)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if len(c.Kafka) == 0 {
		errs = append(errs, errors.New("no Kafka options: at least kgo.SeedBrokers is needed"))
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("no data directory"))
	}
	if c.MaxStaleStore >= topicDeleteRetention {
		errs = append(errs, fmt.Errorf("MaxStaleStore %v must be below the changelog's tombstone retention %v", c.MaxStaleStore, topicDeleteRetention))
	}
	return errors.Join(errs...)
}

func (d Definition[S]) validate() error {
	var errs []error
	if !nameForm.MatchString(d.Name) {
		errs = append(errs, fmt.Errorf("name %q: lower case letters, digits and dashes only", d.Name))
	}
	if len(d.Inputs) == 0 {
		errs = append(errs, errors.New("no input topics"))
	}
	if d.Codec == nil {
		errs = append(errs, errors.New("no codec"))
	}
	if d.Process == nil {
		errs = append(errs, errors.New("no Process function"))
	}
	return errors.Join(errs...)
}

// Group is the consumer group of the processor called name.
func Group(name string) string { return "ringfence." + name }

// ChangelogTopic is the changelog of the processor called name.
func ChangelogTopic(name string) string { return "ringfence." + name + "-changelog" }

func parallel() int { return runtime.GOMAXPROCS(0) }
