package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/kpi"
)

// maxWait is how long a question with wait=true may wait for what was acknowledged before it.
const maxWait = 60 * time.Second

// kpiQuery answers GET /v1/kpi (CONTRACT.md section 5).
func (a *App) kpiQuery(w http.ResponseWriter, r *http.Request) {
	q, wait, err := a.question(r)
	if err != nil {
		kpiProblem(w, err)
		return
	}
	if wait {
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		if err := a.Counted(ctx); err != nil {
			w.Header().Set("Retry-After", "5")
			httpapi.Problem(w, http.StatusServiceUnavailable, "Not counted yet", "what was acknowledged before is not in ClickHouse yet: "+err.Error())
			return
		}
	}
	res, err := kpi.Ask(r.Context(), a.conn, q)
	if err != nil {
		kpiProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(res)
}

func kpiProblem(w http.ResponseWriter, err error) {
	var wrong *kpi.Error
	if errors.As(err, &wrong) {
		status := http.StatusUnprocessableEntity
		if wrong.Form {
			status = http.StatusBadRequest
		}
		httpapi.ProblemAt(w, status, "The question cannot be answered as asked", "/"+wrong.Param, wrong.Detail)
		return
	}
	w.Header().Set("Retry-After", "2")
	httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
}

// list takes repeated parameters and comma lists alike.
func list(values []string) []string {
	var out []string
	for _, v := range values {
		for _, x := range strings.Split(v, ",") {
			if x = strings.TrimSpace(x); x != "" {
				out = append(out, x)
			}
		}
	}
	return out
}

func (a *App) question(r *http.Request) (kpi.Query, bool, error) {
	v := r.URL.Query()
	for name := range v {
		if !slices.Contains([]string{"metric", "from", "to", "by", "where", "wait"}, name) {
			return kpi.Query{}, false, &kpi.Error{Param: name, Detail: "is not a parameter; expected metric, from, to, by, where, wait", Form: true}
		}
	}
	where, err := kpi.ParseWhere(v["where"])
	if err != nil {
		return kpi.Query{}, false, err
	}
	q := kpi.Query{Metrics: list(v["metric"]), By: list(v["by"]), Where: where, Zone: a.zone, Now: time.Now()}
	if q.From, q.To, err = span(v, a.zone, q.Now); err != nil {
		return q, false, err
	}
	if own := httpapi.Partner(r); own != "" { // REP-04: a partner sees its own figures and no others
		q.Where = slices.DeleteFunc(q.Where, func(f kpi.Filter) bool { return f.Dim == "partner" })
		q.Where = append(q.Where, kpi.Filter{Dim: "partner", Values: []string{own}})
	}
	return q, v.Get("wait") == "true" || v.Get("wait") == "1", nil
}

// span reads from and to: RFC 3339, or a date for its midnight in the reporting zone. Without them it is today so far.
func span(v url.Values, zone *time.Location, now time.Time) (from, to time.Time, err error) {
	y, m, d := now.In(zone).Date()
	if to, err = instant(v, "to", zone, now); err != nil {
		return from, to, err
	}
	from, err = instant(v, "from", zone, time.Date(y, m, d, 0, 0, 0, 0, zone))
	return from, to, err
}

// instant reads a time with its offset, or a date, which is its midnight in zone.
func instant(v url.Values, name string, zone *time.Location, otherwise time.Time) (time.Time, error) {
	s := v.Get(name)
	if s == "" {
		return otherwise, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t, nil
	}
	return time.Time{}, &kpi.Error{Param: name, Detail: fmt.Sprintf("%q: expected a time such as 2026-11-24T08:00:00+08:00, or a date", s)}
}

// catalogueEntry is a metric as the catalogue is served.
type catalogueEntry struct {
	Metric     string   `json:"metric"`
	ID         string   `json:"id"`
	Title      string   `json:"title"`
	Unit       string   `json:"unit"`
	Meaning    string   `json:"meaning"`
	Source     string   `json:"source"`
	Better     string   `json:"better,omitempty"`
	Dimensions []string `json:"dimensions"`
}

func kpiCatalogue(w http.ResponseWriter, _ *http.Request) {
	var out []catalogueEntry
	for _, m := range kpi.Catalogue() {
		out = append(out, catalogueEntry{m.Name, m.ID, m.Title(), m.Unit, m.Meaning, m.Source, m.Better, m.Dimensions()})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}
