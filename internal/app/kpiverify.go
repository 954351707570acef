package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/kpi"
	"github.com/ringfence/ringfence/processors/kpi/recompute"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// verifyHour is the local hour at which the figures are verified every day.
const verifyHour = 4

// verifyDays is how far back the daily verification looks.
const verifyDays = 7

// startFigures keeps the roll-ups and verifies the figures every day: work of whoever writes ClickHouse.
func (a *App) startFigures() {
	roller := &kpi.Roller{Conn: a.conn, Zone: a.zone, Logger: a.log, Rest: time.Minute, Metrics: kpi.NewRollerMetrics(a.registry)}
	a.work("rollups", roller.Run)
	a.work("one row a call", func(ctx context.Context) error { return clickhouse.KeepUnited(ctx, a.conn, a.log) })
	d := &dailyVerify{app: a,
		found: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringfence_kpi_verify_differences", Help: "Figures in which ClickHouse and the Kafka log differed at the last verification."}),
		last:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringfence_kpi_verify_finished_timestamp_seconds", Help: "When the figures were verified last; 0 = not since the start."}),
		wrong: prometheus.NewCounter(prometheus.CounterOpts{Name: "ringfence_kpi_verify_failures_total", Help: "Verifications that could not be finished."})}
	a.registry.MustRegister(d.found, d.last, d.wrong)
	a.figures = d
	a.work("kpi verify", d.run)
}

// VerifyFigures does what is done every morning, as of now: it compares the figures of the days before with the log, and says
// the result as metrics and as an alert that fires or resolves. Only processes with the role sink can.
func (a *App) VerifyFigures(ctx context.Context, now time.Time) error {
	if a.figures == nil {
		return errors.New("this process has not the role sink")
	}
	return a.figures.once(ctx, now)
}

func (a *App) verifier() *recompute.Verifier {
	return &recompute.Verifier{Base: a.base, Conn: a.conn, Zone: a.zone, Counted: a.Counted}
}

// dailyVerify compares the figures of the last days with the log, early in the morning.
type dailyVerify struct {
	app   *App
	found prometheus.Gauge
	last  prometheus.Gauge
	wrong prometheus.Counter
}

// next is the first verification after now.
func nextVerify(now time.Time, zone *time.Location) time.Time {
	y, m, d := now.In(zone).Date()
	at := time.Date(y, m, d, verifyHour, 0, 0, 0, zone)
	if !at.After(now) {
		at = time.Date(y, m, d+1, verifyHour, 0, 0, 0, zone)
	}
	return at
}

func (d *dailyVerify) run(ctx context.Context) error {
	for {
		timer := time.NewTimer(time.Until(nextVerify(time.Now(), d.app.zone)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := d.once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			d.wrong.Inc()
			d.app.log.Error("the figures could not be verified", "error", err)
		}
	}
}

// once verifies the days before today and says the result: metrics, and an alert that fires or resolves.
func (d *dailyVerify) once(ctx context.Context, now time.Time) error {
	y, m, day := now.In(d.app.zone).Date()
	to := time.Date(y, m, day, 0, 0, 0, 0, d.app.zone)
	from := time.Date(y, m, day-verifyDays, 0, 0, 0, 0, d.app.zone)
	r, err := d.app.verifier().Verify(ctx, nil, from, to, nil)
	if err != nil {
		return err
	}
	d.found.Set(float64(r.Found))
	d.last.Set(float64(time.Now().Unix()))
	v, err := verifyAlert(r, now).MarshalVT()
	if err != nil {
		return err
	}
	return d.app.kafka.ProduceSync(ctx, &kgo.Record{Topic: event.TopicAlerts, Key: []byte("kpi-verify"), Value: v}).FirstErr()
}

// verifyAlert is one alert for all verifications: it fires while figures differ.
func verifyAlert(r *recompute.Report, now time.Time) *event.Alert {
	a := &event.Alert{AlertId: "kpi-verify", Kind: "kpi_verify", State: "resolved", At: now.UnixMilli(), Since: r.From.UnixMilli(), Value: float64(r.Found), Count: int64(r.Found), Base: int64(r.Figures), Action: "observe",
		Detail: fmt.Sprintf("%d figures of %d metrics compared with the log, %d differ", r.Figures, r.Metrics, r.Found)}
	if !r.OK {
		x := r.Differences[0]
		a.State = "firing"
		a.Detail += fmt.Sprintf("; the first: %s by %q, row %q: ClickHouse %s, log %s", x.Metric, x.By, x.Row, x.ClickHouse, x.Log)
	}
	return a
}

// kpiVerify answers POST /v1/kpi/verify?metric=&from=&to=.
func (a *App) kpiVerify(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	now := time.Now()
	from, to, err := span(v, a.zone, now)
	if v.Get("from") == "" && err == nil {
		y, m, d := now.In(a.zone).Date()
		from = time.Date(y, m, d-verifyDays, 0, 0, 0, 0, a.zone)
	}
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The range cannot be read", err.Error())
		return
	}
	told(w, r, func(ctx context.Context, progress func(float64)) (any, error) {
		return a.verifier().Verify(ctx, list(v["metric"]), from, to, progress)
	})
}

// complaintTable answers GET /v1/kpi/complaint-table?from=&to=&rows=&columns=&wait=.
func (a *App) complaintTable(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	from, to, err := span(v, a.zone, time.Now())
	if err != nil {
		kpiProblem(w, err)
		return
	}
	if v.Get("wait") == "true" {
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		if err := a.Counted(ctx); err != nil {
			w.Header().Set("Retry-After", "5")
			httpapi.Problem(w, http.StatusServiceUnavailable, "Not counted yet", err.Error())
			return
		}
	}
	side := func(name, otherwise string) string {
		if s := v.Get(name); s != "" {
			return s
		}
		return otherwise
	}
	t, err := kpi.TableOfComplaints(r.Context(), a.conn, from, to, side("rows", "category"), side("columns", "channel"), httpapi.Partner(r), a.zone)
	if err != nil {
		kpiProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(t)
}
