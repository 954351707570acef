package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/audit"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// past is what an audit and a replay work on.
func (a *App) past(progress func(float64)) audit.Source {
	return audit.Source{Base: a.base, Conn: a.conn, CustomerHash: a.key.Customer, Progress: progress,
		PermitID: func(id, customer string) string {
			return clickhouse.PermitID(a.key.Customer, a.cfg.Ingest.DefaultRegion, id, customer)
		},
		Processor: contactcap.Options{OrphanAfter: a.cfg.PermitOrphanAfter.D(), AttributionWindow: a.cfg.Complaint.AttributionWindow.D(),
			CustomerHash: a.key.Customer}}
}

// timeRange reads from and to; absent, they are the beginning and the end of time.
func timeRange(v url.Values, zone *time.Location) (from, to time.Time, err error) {
	if from, err = instant(v, "from", zone, time.UnixMilli(0).UTC()); err != nil {
		return from, to, err
	}
	to, err = instant(v, "to", zone, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	return from, to, err
}

// told runs work that takes its time and tells how far it is: lines of {"progress":0.5}, at the end one of {"report":...}
// or {"error":"..."}.
func told(w http.ResponseWriter, r *http.Request, work func(ctx context.Context, progress func(float64)) (any, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{})
	enc := json.NewEncoder(w)
	var mu sync.Mutex
	var last time.Time
	report, err := work(r.Context(), func(done float64) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			_ = enc.Encode(map[string]float64{"progress": done})
			_ = control.Flush()
		}
	})
	if err != nil {
		_ = enc.Encode(map[string]string{"error": err.Error()})
		return
	}
	_ = enc.Encode(map[string]any{"report": report})
}

// capsAudit answers POST /v1/caps/audit?from=&to=.
func (a *App) capsAudit(w http.ResponseWriter, r *http.Request) {
	from, to, err := timeRange(r.URL.Query(), a.zone)
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The range cannot be read", err.Error())
		return
	}
	told(w, r, func(ctx context.Context, progress func(float64)) (any, error) {
		past := a.past(progress)
		past.Counted = a.Counted
		return audit.Audit(ctx, past, a.policies.current.Load(), from, to)
	})
}

// capsReplay answers POST /v1/caps/replay?from=&to= with a policy as its body.
func (a *App) capsReplay(w http.ResponseWriter, r *http.Request) {
	from, to, err := timeRange(r.URL.Query(), a.zone)
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The range cannot be read", err.Error())
		return
	}
	src, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		httpapi.Problem(w, http.StatusRequestEntityTooLarge, "The policy is too large", err.Error())
		return
	}
	other, err := policy.Parse("policy", src)
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The policy is refused", err.Error())
		return
	}
	told(w, r, func(ctx context.Context, progress func(float64)) (any, error) {
		return audit.Replay(ctx, a.past(progress), a.policies.current.Load(), other, from, to)
	})
}
