package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/agenttime"
	"github.com/ringfence/ringfence/processors/campaign"
	"github.com/ringfence/ringfence/processors/complaint"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/sampling"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// startRoles makes the processors and the sink; they begin to work in Run.
func (a *App) startRoles(ctx context.Context) error {
	a.policies = &policies{source: a.cfg.Policy}
	if err := a.policies.load(); err != nil {
		return err
	}
	a.work("policy", a.watchPolicy)
	if a.cfg.Has("contactcap") {
		var clock func() time.Time
		if !a.cfg.API.TrustClientTime {
			clock = time.Now
		}
		err := addProcessor(a, contactcap.New(contactcap.Options{
			Clock: clock, Policy: a.policies.current.Load, Forget: !a.cfg.API.TrustClientTime, OrphanAfter: a.cfg.PermitOrphanAfter.D(), AttributionWindow: a.cfg.Complaint.AttributionWindow.D(),
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
		err = addProcessor(a, sampling.New(a.samplingOptions(secret)))
		if err != nil {
			return err
		}
	}
	if err := a.startQA(ctx); err != nil {
		return err
	}
	if a.cfg.Has("campaign") {
		if err := addProcessor(a, campaign.New(campaign.Options{})); err != nil {
			return err
		}
	}
	if a.cfg.Has("complaint") {
		if err := addProcessor(a, complaint.New(a.complaintOptions())); err != nil {
			return err
		}
	}
	if err := a.startNotifier(); err != nil {
		return err
	}
	if a.ch.native == "" {
		return nil
	}
	if err := a.openClickHouse(ctx); err != nil {
		return err
	}
	if a.cfg.Has("sink") {
		s, err := clickhouse.NewSink(clickhouse.SinkOptions{Base: a.base, ClickHouse: a.clickHouse(), CustomerHash: a.key.Customer, Region: a.cfg.Ingest.DefaultRegion, Logger: a.log, Registerer: a.registry})
		if err != nil {
			return err
		}
		a.sink = s
		a.work("sink", s.Run)
		a.startFigures()
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
		conn, err := clickhouse.Open(ctx, a.clickHouse())
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

func (a *App) clickHouse() clickhouse.Options {
	c := a.cfg.ClickHouse
	return clickhouse.Options{Addr: a.addrs(), Database: c.Database, Username: c.Username, Password: c.Password, Cluster: c.Cluster, Keep: a.cfg.Retention.Tables,
		Recordings: clickhouse.Recordings{OnlineMonths: a.cfg.Retention.OnlineMonths, Months: a.cfg.Retention.RecordingsMonths, Zone: a.cfg.Reporting.TimeZone}}
}

func (a *App) addrs() []string {
	if len(a.cfg.ClickHouse.Addr) > 0 {
		return a.cfg.ClickHouse.Addr
	}
	return []string{a.ch.native}
}

// addProcessor puts a processor on the exactly-once runtime.
func addProcessor[S any](a *App, def stream.Definition[S]) error {
	boot := ""
	if len(a.cfg.Kafka.Brokers) == 0 {
		boot = strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	r, err := stream.New(def, stream.Config{Boot: boot, Kafka: a.base, DataDir: a.cfg.DataDir, Partitions: int32(a.cfg.Kafka.Partitions), CacheEntries: a.cfg.Stream.CacheEntries, Standby: a.cfg.Stream.Standby,
		Logger: a.log, Registerer: a.registry})
	if err != nil {
		return fmt.Errorf("processor %s: %w", def.Name, err)
	}
	a.runners = append(a.runners, r)
	a.work(def.Name, r.Run)
	a.health.add(def.Name, func() (bool, string) { s := r.Status(); return s.Ready, s.Detail })
	return nil
}

// Conn is the connection to ClickHouse, nil without the roles that need one.
func (a *App) Conn() driver.Conn { return a.conn }
