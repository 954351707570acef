package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/ingest/decode"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/internal/permits"
)

// Deps are what the API needs.
type Deps struct {
	Base       []kgo.Opt // how to reach the brokers
	Config     *config.Config
	Key        *number.Key
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	Version    string
	// FreeSwitch turns a body of POST /v1/freeswitch/cdr into contract objects of POST /v1/calls. Optional.
	FreeSwitch func(r *http.Request, body []byte) ([][]byte, error)
	// Session is who is signed in at the console with this request, nil = nobody. Optional.
	Session func(r *http.Request) *identity.User
}

// API is the HTTP API; mount Handler, start Run.
type API struct {
	deps     Deps
	tokens   []tokenEntry
	decoder  *decode.Decoder
	producer *kgo.Client
	permits  *permits.Gateway
	dir      *directory
	mux      *http.ServeMux
	metrics  *metrics
	askedAt  atomic.Int64 // when a permit was last asked for, Unix milliseconds
}

// New connects to Kafka; the topics must be there.
func New(ctx context.Context, d Deps) (*API, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if err := CheckListen(d.Config.HTTP.Listen, d.Config.API.Tokens); err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(append(append([]kgo.Opt{}, d.Base...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(8*time.Second), kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchMaxBytes(4<<20),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		return nil, fmt.Errorf("open a producer: %w", err)
	}
	gw, err := permits.New(ctx, permits.Options{Base: d.Base, Producer: producer, Partitions: int32(d.Config.Kafka.Partitions)})
	if err != nil {
		producer.Close()
		return nil, err
	}
	dir, err := newDirectory(d.Base, producer)
	if err != nil {
		producer.Close()
		return nil, err
	}
	a := &API{deps: d, tokens: tokenTable(d.Config.API.Tokens), producer: producer, permits: gw, dir: dir, mux: http.NewServeMux(),
		metrics: newMetrics(d.Registerer),
		decoder: decode.New(decode.Options{Region: d.Config.Ingest.DefaultRegion, Key: d.Key, Now: d.Now, Source: "api"})}
	a.routes()
	return a, nil
}

// Run serves the way back of permits and the directory until ctx ends.
func (a *API) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() { defer close(done); a.dir.run(ctx) }()
	err := a.permits.Run(ctx)
	<-done
	a.producer.Close()
	return err
}

// Ready tells whether permits can be answered.
func (a *API) Ready() bool { return a.permits.Ready() }

// Handler is everything under the contract's paths.
func (a *API) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := a.mux.Handler(r)
		if pattern == "" {
			a.unmatched(w, r, h)
			return
		}
		a.mux.ServeHTTP(w, r)
	})
}

// unmatched answers 404 and 405 as problems.
func (a *API) unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	probe := &statusOnly{header: http.Header{}}
	h.ServeHTTP(probe, r)
	switch {
	case probe.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", probe.header.Get("Allow"))
		fail(w, http.StatusMethodNotAllowed, "The method is not allowed here", r.Method+" "+r.URL.Path+"; allowed: "+probe.header.Get("Allow"))
	case probe.status >= 300 && probe.status < 400:
		h.ServeHTTP(w, r)
	default:
		fail(w, http.StatusNotFound, "There is nothing here", r.URL.Path)
	}
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header { return s.header }
func (s *statusOnly) WriteHeader(c int)   { s.status = c }
func (s *statusOnly) Write(b []byte) (int, error) {
	return len(b), nil
}

// Handle mounts another part's handler behind the same tokens. No roles = anybody with a token.
func (a *API) Handle(pattern string, h http.Handler, roles ...string) {
	a.mux.Handle(pattern, a.guard(h, roles...))
}

// Open mounts a handler that needs no token.
func (a *API) Open(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

func (a *API) routes() {
	for _, k := range decode.Kinds() {
		a.Handle("POST /v1/"+string(k), a.events(k), "ingest", "dialer")
	}
	a.Handle("POST /v1/permits", http.HandlerFunc(a.askPermit), "dialer")
	a.Handle("DELETE /v1/permits/{id}", http.HandlerFunc(a.releasePermit), "dialer")
	a.Handle("GET /v1/customers/{id}/caps", http.HandlerFunc(a.caps), "dialer", "compliance", "supervisor", "qa")
	if a.deps.FreeSwitch != nil {
		a.Handle("POST /v1/freeswitch/cdr", http.HandlerFunc(a.freeSwitch), "ingest")
	}
	a.Handle("GET /v1/dead-letter", Whole(http.HandlerFunc(a.listLetters)), "supervisor", "compliance")
	a.Handle("POST /v1/dead-letter/replay", Whole(http.HandlerFunc(a.replayLetters)), "admin")
	a.Open("GET /openapi.json", http.HandlerFunc(a.openAPI))
}

// kafkaAway answers that Kafka cannot take it.
func (a *API) kafkaAway(w http.ResponseWriter, err error) {
	a.deps.Logger.Warn("Kafka does not take events", "error", err)
	w.Header().Set("Retry-After", "1")
	detail := "Kafka cannot take it now; try again"
	if errors.Is(err, permits.ErrTimeout) {
		detail = "no decision in time; nothing was reserved; try again"
	}
	fail(w, http.StatusServiceUnavailable, "Not now", detail)
}
