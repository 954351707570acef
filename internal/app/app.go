package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/kafka"
	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/recording"
	"github.com/ringfence/ringfence/internal/rubric"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// Options of a process.
type Options struct {
	Config  *config.Config
	Logger  *slog.Logger
	Version string
	// Step is told what is being done while starting; optional.
	Step func(what string)
	// Recordings, if there are any beside those of the configuration; optional.
	Recordings recording.Store
}

// App is one ringfence process.
type App struct {
	opt      Options
	cfg      *config.Config
	log      *slog.Logger
	registry *prometheus.Registry
	health   *health
	key      *number.Key
	zone     *time.Location

	base       []kgo.Opt   // how to reach the brokers
	kafka      *kgo.Client // for looking, not for facts
	engine     *embedded.ClickHouse
	ch         clickhouseAddr
	conn       driver.Conn
	sink       *clickhouse.Sink
	runners    []stream.Runnable
	policies   *policies
	desk       *qadesk.Desk
	rubrics    []*rubric.Rubric // the first is the one new reviews use
	api        *httpapi.API
	server     *http.Server
	addr       string
	sessions   *identity.Sessions // nil: nobody can sign in
	audit      *auditlog.Log
	commands   *kgo.Client  // of people, to the watch
	figures    *dailyVerify // nil without the role sink
	workers    []worker
	marks      marks
	ownMetrics ownMetrics
	closers    []func() error // in the order of opening
}

// worker is a part that runs until its context ends.
type worker struct {
	name string
	run  func(context.Context) error
}

// clickhouseAddr is where ClickHouse answers.
type clickhouseAddr struct{ native, http string }

// Start brings the process up: when it returns, everything the roles need is there and HTTP answers. Whatever had been
// started when something failed is stopped again.
func Start(ctx context.Context, opt Options) (_ *App, err error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Step == nil {
		opt.Step = func(string) {}
	}
	a := &App{opt: opt, cfg: opt.Config, log: opt.Logger, registry: prometheus.NewRegistry(), health: newHealth(), marks: marks{known: map[string]map[int32]gap{}}}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"taking the data directory", a.lock},
		{"starting Kafka", a.startKafka},
		{"starting ClickHouse", a.startClickHouse},
		{"starting the processors", a.startRoles},
		{"learning who may sign in", a.startIdentity},
		{"opening the API", a.serve},
	} {
		opt.Step(step.what)
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return a, nil
}

// URL is where the process answers.
func (a *App) URL() string { return "http://" + a.addr }

// Client talks to this very process, without a socket and without a token.
func (a *App) Client() *client.Client {
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.server.Handler.ServeHTTP(w, r.WithContext(httpapi.Inside(r.Context())))
	})
	return &client.Client{Base: "http://ringfence", HTTP: &http.Client{Transport: client.InProcess(inside)}, Retry: time.Minute}
}

// Ready tells whether every part does its work, and the parts that do not.
func (a *App) Ready() (bool, string) {
	ok, parts := a.health.state()
	detail := ""
	for _, p := range parts {
		if !p.Ready {
			detail += p.Name + ": " + p.Detail + "; "
		}
	}
	return ok, detail
}

// Run works until ctx ends, then drains: nothing acknowledged is lost. It returns nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, w := range a.workers {
		g.Go(func() error {
			err := w.run(gctx)
			if err != nil && gctx.Err() == nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			return nil
		})
	}
	err := g.Wait()
	return errors.Join(err, a.close())
}

func (a *App) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

func (a *App) work(name string, run func(context.Context) error) {
	a.workers = append(a.workers, worker{name, run})
}

func (a *App) lock(context.Context) error {
	l, err := embedded.LockDataDir(a.cfg.DataDir)
	if err != nil {
		return err
	}
	a.onClose(l.Release)
	file := a.cfg.Ingest.NumberKeyFile
	if file == "" {
		file = filepath.Join(a.cfg.DataDir, "keys", "number.key")
	}
	if a.key, err = number.LoadOrCreate(file, a.cfg.DataDir); err != nil {
		return err
	}
	a.zone, err = time.LoadLocation(a.cfg.Reporting.TimeZone)
	return err
}

func (a *App) startKafka(ctx context.Context) error {
	brokers, replication := a.cfg.Kafka.Brokers, a.cfg.Kafka.Replication
	if len(brokers) == 0 {
		k, err := embedded.StartKafka(embedded.KafkaOptions{Dir: filepath.Join(a.cfg.DataDir, "kafka"), Sync: a.cfg.Kafka.Sync, Logger: a.log})
		if err != nil {
			return err
		}
		a.onClose(func() error { k.Close(); return nil })
		brokers, replication = k.Addrs(), 1
	}
	base, err := kafka.Options(a.cfg.Kafka, brokers)
	if err != nil {
		return err
	}
	a.base = base
	if a.kafka, err = kgo.NewClient(base...); err != nil {
		return err
	}
	a.onClose(func() error { a.kafka.Close(); return nil })
	return patiently(ctx, a.log, func(ctx context.Context) error {
		return kafka.EnsureTopics(ctx, a.kafka, a.cfg.Kafka.Partitions, replication)
	})
}

// patiently retries what fails while the brokers are away, and gives up on what waiting cannot heal.
func patiently(ctx context.Context, log *slog.Logger, do func(context.Context) error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do(ctx)
		var nerr net.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &nerr) && !errors.Is(err, kgo.ErrRecordTimeout) {
			return err
		}
		log.Warn("waiting for Kafka", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (a *App) startClickHouse(ctx context.Context) error {
	if !a.cfg.Has("sink") && !a.cfg.Has("api") && !a.cfg.Has("console") {
		return nil
	}
	if len(a.cfg.ClickHouse.Addr) > 0 {
		a.ch.native = a.cfg.ClickHouse.Addr[0]
		a.ch.http = a.cfg.ClickHouse.HTTPAddr
		if host, _, err := net.SplitHostPort(a.ch.native); err == nil && a.ch.http == "" {
			a.ch.http = net.JoinHostPort(host, "8123")
		}
		return nil
	}
	dir, err := filepath.Abs(filepath.Join(a.cfg.DataDir, "clickhouse"))
	if err != nil {
		return err
	}
	e, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{Dir: dir, Logger: a.log})
	if err != nil {
		return err
	}
	a.engine = e
	a.onClose(func() error { e.Close(); return nil })
	a.ch = clickhouseAddr{e.Addr(), e.HTTPAddr()}
	a.health.add("clickhouse", func() (bool, string) { s := e.Status(); return s == "", s })
	return nil
}

// serve opens HTTP: the API and what the other roles mount beside it.
func (a *App) serve(ctx context.Context) error {
	api, err := httpapi.New(ctx, httpapi.Deps{Base: a.base, Config: a.cfg, Key: a.key, Logger: a.log, Registerer: a.registry, Version: a.opt.Version, FreeSwitch: freeSwitchCalls, Session: a.signedIn})
	if err != nil {
		return err
	}
	a.api = api
	a.work("api", api.Run)
	a.health.add("api", func() (bool, string) {
		if api.Ready() {
			return true, ""
		}
		return false, "Kafka does not answer"
	})
	api.Open("GET /healthz", http.HandlerFunc(a.health.live))
	api.Open("GET /readyz", http.HandlerFunc(a.health.ready))
	api.Handle("GET /metrics", httpapi.Whole(promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{})))
	api.Handle("POST /v1/sql", httpapi.Whole(sqlHandler("http://"+a.ch.http, a.cfg.ClickHouse.Database, a.cfg.ClickHouse.Username, a.cfg.ClickHouse.Password)), "admin")
	if err := a.mount(ctx); err != nil {
		return err
	}
	if err := a.mountConsole(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", a.cfg.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("%w (is another ringfence running? choose another address with --set http.listen=...)", err)
	}
	a.addr = l.Addr().String()
	a.server = &http.Server{Handler: crossOrigin(api.Handler()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)}
	a.startDialer()
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(l) }()
	a.work("http", func(ctx context.Context) error {
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return a.server.Shutdown(end)
		}
	})
	return os.WriteFile(filepath.Join(a.cfg.DataDir, "url"), []byte(a.URL()+"\n"), 0o600)
}
