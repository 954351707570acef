package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/config"
)

// GroupPrefix begins the consumer group of every receiver.
const GroupPrefix = "ringfence.alerts."

// Options of a notifier.
type Options struct {
	Base       []kgo.Opt // how to reach the brokers
	Config     config.Alerts
	Zone       *time.Location // of the times people read
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	attempt  = 6 * time.Second // one delivery may take so long, and so may its commit
	firstTry = 500 * time.Millisecond
	longest  = time.Minute // between tries
	lookBack = 24 * time.Hour
)

// Notifier tells every receiver.
type Notifier struct {
	opt       Options
	receivers []*receiver
	results   *prometheus.CounterVec
	took      *prometheus.HistogramVec
}

// receiver is one, with its own place in the topic.
type receiver struct {
	config.Receiver
	n      *Notifier
	sender sender
	texts  *Texts
	log    *slog.Logger

	refresher refresher // nil: the other side remembers
	refreshed time.Time

	working  sync.Mutex // held while a record is delivered and committed: a partition is not given away in between
	owned    map[int32]bool
	standing map[int32]standings // of partitions whose past is known; only with a refresher

	mu     sync.Mutex
	failed string // what it last failed with, "" = well
	since  time.Time
}

// New makes a notifier; it fails on a template that cannot be used.
func New(o Options) (*Notifier, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{opt: o,
		results: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringfence_notifications_total", Help: "Tries to tell a receiver of a change of an incident's state: delivered, failed (tried again), gave_up, skipped; refreshed, refresh_failed: of all that goes on, told again."}, []string{"receiver", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringfence_notification_delay_seconds", Help: "From the decision to the receiver's acknowledgement.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200}}, []string{"receiver"}),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(n.results, n.took)
	}
	client := &http.Client{Timeout: attempt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range o.Config.Receivers {
		r := &receiver{Receiver: c, n: n, log: o.Logger.With("receiver", c.Name), owned: map[int32]bool{}, standing: map[int32]standings{}}
		var err error
		if r.texts, err = NewTexts(c, o.Config.Link, o.Zone); err != nil {
			return nil, err
		}
		switch c.Type {
		case "alertmanager":
			r.sender = &alertmanager{client, c.URL, r.texts}
		case "webhook":
			r.sender, err = newWebhook(client, c)
		case "email":
			r.sender, err = newEmail(c, r.texts)
		default:
			r.sender = &chat{client, c.Type, c.URL, c.Secret, r.texts}
		}
		if err != nil {
			return nil, fmt.Errorf("receiver %s: %w", c.Name, err)
		}
		r.refresher, _ = r.sender.(refresher)
		n.receivers = append(n.receivers, r)
	}
	return n, nil
}

// Run tells until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range n.receivers {
		g.Go(func() error { return r.run(ctx) })
	}
	return g.Wait()
}

// Status names the receivers that cannot be told now. That is no reason to send work elsewhere, so ready is always true.
func (n *Notifier) Status() (ready bool, detail string) {
	var out []string
	for _, r := range n.receivers {
		r.mu.Lock()
		if r.failed != "" {
			out = append(out, fmt.Sprintf("%s cannot be told since %s: %s", r.Name, r.since.UTC().Format(time.RFC3339), r.failed))
		}
		r.mu.Unlock()
	}
	return true, strings.Join(out, "; ")
}

func (r *receiver) run(ctx context.Context) error {
	cl, err := kgo.NewClient(append(slices.Clone(r.n.opt.Base), kgo.ConsumerGroup(GroupPrefix+r.Name), kgo.ConsumeTopics(event.TopicAlerts), kgo.DisableAutoCommit(),
		// A new receiver hears of the last day. Its place is committed with the first record it is done with.
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-lookBack).UnixMilli())),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(250*time.Millisecond), kgo.SessionTimeout(10*time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { r.own(m, true) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { r.own(m, false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { r.own(m, false) }))...)
	if err != nil {
		return fmt.Errorf("receiver %s: %w", r.Name, err)
	}
	defer cl.Close()
	for {
		fetches := r.poll(ctx, cl)
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(_ string, p int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				r.log.Warn("cannot read the alerts", "partition", p, "error", err)
			}
		})
		for err := r.recall(ctx, cl); err != nil; err = r.recall(ctx, cl) {
			if ctx.Err() != nil {
				return nil
			}
			r.log.Warn("cannot read what it was told; will be tried again", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(firstTry):
			}
		}
		r.refresh(ctx, time.Now())
		for _, rec := range fetches.Records() {
			if !r.deliver(ctx, cl, rec) {
				return nil
			}
		}
	}
}

// poll waits for alerts, and with a refresher no longer than until it is time for that.
func (r *receiver) poll(ctx context.Context, cl *kgo.Client) kgo.Fetches {
	if every := r.n.opt.Config.Refresh.D(); r.refresher != nil && every > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(10*time.Millisecond, time.Until(r.refreshed.Add(every))))
		defer cancel()
	}
	return cl.PollFetches(ctx)
}

func (r *receiver) own(m map[string][]int32, owned bool) {
	r.working.Lock()
	defer r.working.Unlock()
	for _, p := range m[event.TopicAlerts] {
		r.owned[p] = owned
		delete(r.standing, p) // another may have told more of it
	}
}

// deliver tries until the receiver has acknowledged, the record has gone to another process, or it is given up. It
// returns false when ctx ended.
func (r *receiver) deliver(ctx context.Context, cl *kgo.Client, rec *kgo.Record) bool {
	var a event.Alert
	err := a.UnmarshalVT(rec.Value)
	r.working.Lock()
	tell := err == nil && r.wants(&a, r.standing[rec.Partition])
	r.working.Unlock()
	for wait := firstTry; ; wait = min(2*wait, longest) {
		done, err := r.try(ctx, cl, rec, &a, tell)
		if done || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		pause := wait/2 + rand.N(wait)
		if l := (*later)(nil); errors.As(err, &l) {
			pause = l.after
		}
		if !r.wait(ctx, pause) {
			return false
		}
	}
}

// wait pauses, and goes on refreshing: one alert that is not taken is no reason to forget the others. It returns false
// when ctx ended.
func (r *receiver) wait(ctx context.Context, pause time.Duration) bool {
	every := r.n.opt.Config.Refresh.D()
	for end := time.Now().Add(pause); ; {
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		if r.refresher != nil && every > 0 {
			r.refresh(ctx, time.Now())
			left = min(left, max(10*time.Millisecond, time.Until(r.refreshed.Add(every))))
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(left):
		}
	}
}

// wants tells whether the receiver is to hear of it. One that would go on believing that an incident goes on hears of its
// end even when it is muted.
func (r *receiver) wants(a *event.Alert, told standings) bool {
	if a.State == "resolved" && told.toldOpen(a.AlertId) {
		return true
	}
	return !a.Muted && !a.Past && (len(r.Kinds) == 0 || slices.Contains(r.Kinds, a.Kind)) && (r.Severity != "critical" || a.Severity == "critical")
}

// try delivers and commits once; done = there is nothing more to do with this record here.
func (r *receiver) try(ctx context.Context, cl *kgo.Client, rec *kgo.Record, a *event.Alert, tell bool) (done bool, err error) {
	r.working.Lock()
	defer r.working.Unlock()
	if !r.owned[rec.Partition] {
		return true, nil
	}
	result := "skipped"
	if tell {
		if was, ok := r.standing[rec.Partition][a.AlertId]; ok && a.State == "resolved" { // what ends is what was told, by its labels
			a.Severity = was.alert.Severity
		}
		// One that is under way is waited for even when we end now: the other side may have it already.
		result, err = r.tell(context.WithoutCancel(ctx), a)
		r.n.results.WithLabelValues(r.Name, result).Inc()
		r.note(err)
		if result == "failed" {
			r.log.Warn("was not told; will be tried again", "alert", a.AlertId, "seq", a.Seq, "error", err)
			return false, err
		}
		if result == "gave_up" {
			r.log.Error("was not told and will not be: it has taken nothing for too long", "alert", a.AlertId, "seq", a.Seq, "error", err)
		}
	}
	if s := r.standing[rec.Partition]; tell && s != nil {
		s.take(a, time.Now()) // given up or not: it stands, and will be told when the receiver is back
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if err = cl.CommitRecords(end, rec); err == nil || end.Err() != nil {
			break
		}
		select {
		case <-end.Done():
		case <-time.After(wait):
		}
	}
	if err != nil {
		r.log.Error("what was told cannot be noted: it may be told again", "alert", a.AlertId, "seq", a.Seq, "error", err)
	} else if result == "delivered" {
		r.n.took.WithLabelValues(r.Name).Observe(max(0, time.Since(time.UnixMilli(a.DecidedAt)).Seconds()))
	}
	return true, nil
}

func (r *receiver) tell(ctx context.Context, a *event.Alert) (string, error) {
	m, err := r.texts.Message(a)
	if err == nil {
		tctx, cancel := context.WithTimeout(ctx, attempt)
		err = r.sender.send(tctx, m)
		cancel()
	}
	switch {
	case err == nil:
		return "delivered", nil
	case time.Since(time.UnixMilli(a.DecidedAt)) > r.n.opt.Config.GiveUp.D():
		return "gave_up", err
	}
	return "failed", err
}

func (r *receiver) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.failed = ""
	case r.failed == "":
		r.since = time.Now()
		fallthrough
	default:
		r.failed = err.Error()
	}
}
