package app

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/agenttime"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
	"github.com/ringfence/ringfence/processors/sampling"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// policies holds the policy in force.
type policies struct {
	source  string
	current atomic.Pointer[policy.Policy]
}

func (p *policies) load() error {
	fresh, err := policy.Load(p.source)
	if err != nil {
		return err
	}
	p.current.Store(fresh)
	return nil
}

// ReloadPolicy reads the policy again; a bad one is refused and the one in force stays.
func (a *App) ReloadPolicy() error {
	if err := a.policies.load(); err != nil {
		return err
	}
	a.log.Info("policy in force", "policy", a.policies.current.Load().Ref())
	return nil
}

// startRoles makes the processors and the sink; they begin to work in Run.
func (a *App) startRoles(ctx context.Context) error {
	a.policies = &policies{source: a.cfg.Policy}
	if err := a.policies.load(); err != nil {
		return err
	}
	if a.cfg.Has("contactcap") {
		err := addProcessor(a, contactcap.New(contactcap.Options{
			Policy: a.policies.current.Load, OrphanAfter: a.cfg.PermitOrphanAfter.D(), AttributionWindow: a.cfg.Complaint.AttributionWindow.D(),
			CustomerHash: a.key.Customer, Metrics: contactcap.NewMetrics(a.registry),
		}))
		if err != nil {
			return err
		}
	}
	if a.cfg.Has("agenttime") {
		if err := addProcessor(a, agenttime.New(agenttime.Options{Timeout: a.cfg.AgentStateTimeout.D(), Zone: a.zone})); err != nil {
			return err
		}
	}
	if a.cfg.Has("sampling") {
		secret, err := a.samplingSecret()
		if err != nil {
			return err
		}
		err = addProcessor(a, sampling.New(sampling.Options{Secret: secret, Zone: a.zone, OneIn: int64(a.cfg.Sampling.OneIn), Grace: a.cfg.Sampling.Grace.D(), Quiet: a.cfg.Sampling.Quiet.D()}))
		if err != nil {
			return err
		}
	}
	if a.ch.native == "" {
		return nil
	}
	if err := a.openClickHouse(ctx); err != nil {
		return err
	}
	if a.cfg.Has("sink") {
		s, err := clickhouse.NewSink(clickhouse.SinkOptions{Base: a.base, Conn: a.conn, CustomerHash: a.key.Customer, Logger: a.log, Registerer: a.registry})
		if err != nil {
			return err
		}
		a.sink = s
		a.work("sink", s.Run)
		a.health.add("sink", s.Status)
	}
	return nil
}

// samplingSecret is the secret from which the days' keys are made; on a cluster it is one file for all processes.
func (a *App) samplingSecret() ([]byte, error) {
	file := a.cfg.Sampling.KeyFile
	if file == "" {
		file = filepath.Join(a.cfg.DataDir, "keys", "sampling.key")
	}
	return number.Secret(file, filepath.Join(a.cfg.DataDir, "sampling.key.fingerprint"))
}

// openClickHouse waits for the server as long as it takes: ClickHouse away is no reason to end.
func (a *App) openClickHouse(ctx context.Context) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		conn, err := clickhouse.Open(ctx, clickhouse.Options{Addr: a.addrs(), Database: a.cfg.ClickHouse.Database, Username: a.cfg.ClickHouse.Username, Password: a.cfg.ClickHouse.Password})
		if err == nil {
			a.conn = conn
			a.onClose(conn.Close)
			return nil
		}
		if ctx.Err() != nil || len(a.cfg.ClickHouse.Addr) == 0 && a.engine.Status() == "" && wait > 2*time.Second {
			return err
		}
		a.log.Warn("waiting for ClickHouse", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (a *App) addrs() []string {
	if len(a.cfg.ClickHouse.Addr) > 0 {
		return a.cfg.ClickHouse.Addr
	}
	return []string{a.ch.native}
}

// addProcessor puts a processor on the exactly-once runtime.
func addProcessor[S any](a *App, def stream.Definition[S]) error {
	r, err := stream.New(def, stream.Config{Kafka: a.base, DataDir: a.cfg.DataDir, Partitions: int32(a.cfg.Kafka.Partitions), CacheEntries: a.cfg.Stream.CacheEntries,
		Logger: a.log, Registerer: a.registry})
	if err != nil {
		return fmt.Errorf("processor %s: %w", def.Name, err)
	}
	a.runners = append(a.runners, r)
	a.work(def.Name, r.Run)
	a.health.add(def.Name, func() (bool, string) { s := r.Status(); return s.Ready, s.Detail })
	return nil
}

// settleGap is how long nothing may move before everything counts as settled.
const settleGap = 300 * time.Millisecond

// Settled tells whether every record acknowledged so far has gone through the processors and into ClickHouse. The end
// of a transaction stands in the log like a record and is never processed, so a lag of at most two a partition that
// does not move any more is none.
func (a *App) Settled(ctx context.Context) (bool, error) {
	var last int64
	for i := range 2 {
		var lag int64
		for _, r := range a.runners {
			s := r.Status()
			lag += s.Lag
			if !s.Ready || s.Lag > int64(2*len(s.Partitions)) {
				return false, nil
			}
		}
		if i == 1 && lag != last {
			return false, nil
		}
		last = lag
		if a.sink != nil {
			n, err := a.sink.Lag(ctx)
			if err != nil || n > 0 {
				return false, err
			}
		}
		if i == 0 {
			select {
			case <-ctx.Done():
				return false, ctx.Err()
			case <-time.After(settleGap):
			}
		}
	}
	return true, nil
}

// Conn is the connection to ClickHouse, nil without the roles that need one.
func (a *App) Conn() driver.Conn { return a.conn }

// mount puts the other parts' handlers beside the API's.
func (a *App) mount(context.Context) error {
	a.api.Open("GET /favicon.ico", http.RedirectHandler("/console/static/icon.svg", http.StatusMovedPermanently))
	return nil
}
