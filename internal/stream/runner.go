package stream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"
)

// Runner runs one Definition. Make it with New.
type Runner[S any] struct {
	def        Definition[S]
	cfg        Config
	log        *slog.Logger
	dir        string
	changelog  string
	txnID      string
	instance   string
	partitions int32
	timeout    time.Duration // of the group session
	store      *store
	metrics    *metrics

	// Of the session in hand; used by Run's goroutine and, during a transaction, by the partitions'.
	producer *kgo.Client
	txnCtx   context.Context
	failures map[failureKey]*failure

	onCommit func(records int) // tests watch commits

	slots   *semaphore.Weighted // recoveries at a time
	writers writers

	mu      sync.Mutex
	parts   map[int32]*partition[S]
	ended   map[int32]chan struct{} // closed when the recovery of a partition dropped has ended
	joined  bool
	healthy bool
	detail  string
	started bool
}

type failureKey struct {
	partition int32
	topic     string
	offset    int64
	key       string
}

// New checks def and cfg and makes a Runner. It touches neither Kafka nor the store; Run does.
func New[S any](def Definition[S], cfg Config) (*Runner[S], error) {
	cfg = cfg.withDefaults()
	if err := errors.Join(def.validate(), cfg.validate()); err != nil {
		return nil, fmt.Errorf("processor %q: %w", def.Name, err)
	}
	m, err := newMetrics(def.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("processor %q: register metrics: %w", def.Name, err)
	}
	return &Runner[S]{
		def: def, cfg: cfg, metrics: m, timeout: cfg.Session,
		log:       cfg.Logger.With("processor", def.Name),
		dir:       filepath.Join(cfg.DataDir, "state", def.Name),
		changelog: ChangelogTopic(def.Name),
		failures:  map[failureKey]*failure{},
		parts:     map[int32]*partition[S]{},
		ended:     map[int32]chan struct{}{},
		detail:    "not started",
		slots:     semaphore.NewWeighted(int64(min(parallel(), recoveries))),
	}, nil
}

// Name implements Runnable.
func (r *Runner[S]) Name() string { return r.def.Name }

// Status implements Runnable.
func (r *Runner[S]) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status()
}

func (r *Runner[S]) status() Status {
	s := Status{Ready: r.joined && r.healthy, Detail: r.detail}
	for _, p := range r.parts {
		ps := PartitionStatus{
			Partition: p.id, Ready: p.ready, Recovered: p.recovered, Remaining: p.remaining, Entries: p.shownEntries,
		}
		for _, l := range p.lag {
			ps.Lag += l
		}
		if !p.ready {
			s.Ready = false
			s.Detail = fmt.Sprintf("recovering partition %d: %d changelog offsets to go", p.id, p.remaining)
		}
		s.Lag += ps.Lag
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int { return int(a.Partition - b.Partition) })
	if err := r.store.failing(); err != nil {
		s.Ready, s.Detail = false, fmt.Sprintf("the state store can't write: %v", err)
	}
	if s.Ready {
		s.Detail = ""
	}
	return s
}

// note keeps what last went wrong for Status.
func (r *Runner[S]) note(detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detail = detail
}

func (r *Runner[S]) setHealthy(ok bool, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.healthy = ok
	if !ok {
		r.detail = detail
	}
}

// Run implements Runnable.
func (r *Runner[S]) Run(ctx context.Context) (err error) {
	r.mu.Lock()
	again := r.started
	r.started = true
	r.mu.Unlock()
	if again {
		return fmt.Errorf("%s: Run was called before", r.def.Name)
	}
	r.instance = r.cfg.InstanceID
	if r.instance == "" {
		if r.instance, err = instanceID(r.dir, rand.Text); err != nil {
			return fmt.Errorf("%s: %w", r.def.Name, err)
		}
	}
	if r.txnID = Group(r.def.Name) + "." + r.instance; r.cfg.Boot != "" {
		r.txnID += "." + r.cfg.Boot
	}
	if err := removeBulks(r.dir); err != nil {
		return fmt.Errorf("%s: what a recovery left: %w", r.def.Name, err)
	}
	st, err := openStore(filepath.Join(r.dir, "db"), r.cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", r.def.Name, err)
	}
	r.mu.Lock()
	r.store = st
	r.mu.Unlock()
	defer func() {
		if cerr := r.store.close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: close the state store: %w", r.def.Name, cerr))
		}
		r.mu.Lock()
		r.joined, r.healthy, r.detail = false, false, "stopped"
		r.mu.Unlock()
		r.metrics.ready.Set(0)
	}()
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(r.cfg.Drain, cancel) })()
	r.txnCtx = hard

	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := r.session(ctx)
		var refused *refusal
		if errors.As(err, &refused) {
			r.note(refused.Error())
			return refused
		}
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > 30*time.Second {
			attempt = 0
		}
		r.setHealthy(false, err.Error())
		r.log.Warn("session ended, starting another", "err", err, "attempt", attempt+1)
		if pause(ctx, backoff(attempt)) != nil {
			break
		}
	}
	return nil
}

// backoff is 20 ms, doubled every time up to 5 s.
func backoff(attempt int) time.Duration {
	return min(20*time.Millisecond<<min(attempt, 10), 5*time.Second)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// attempts returns the failure of a record or timer that has had all its chances.
func (r *Runner[S]) attempts(partition int32, topic string, offset int64, ref timerRef) *failure {
	if len(r.failures) == 0 {
		return nil
	}
	k := failureKey{partition, topic, offset, ref.key}
	if topic == "" {
		k.offset = ref.at
	}
	if f := r.failures[k]; f != nil && f.attempts >= r.cfg.Attempts {
		return f
	}
	return nil
}
