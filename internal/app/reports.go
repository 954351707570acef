package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/report"
	"github.com/ringfence/ringfence/processors/kpi"
)

// reports answers GET /v1/reports/{kind}?from=&to=&format=html|csv|json|text (REP-01 to REP-05). Without an interval it
// is the last whole week, Monday to Sunday. Each export is in the audit log before it is given out.
func (a *App) reports(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, k := range report.Kinds() {
		names = append(names, k.Name)
	}
	kind, ok := report.KindOf(r.PathValue("kind"))
	if !ok {
		httpapi.Problem(w, http.StatusNotFound, "There is no such report", fmt.Sprintf("%q: expected one of %s", r.PathValue("kind"), strings.Join(names, ", ")))
		return
	}
	renders := map[string]string{"html": "text/html; charset=utf-8", "csv": "text/csv; charset=utf-8", "json": "application/json", "text": "text/plain; charset=utf-8"}
	format := r.URL.Query().Get("format")
	if format == "" {
		format = "html"
	}
	if renders[format] == "" {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The format is not known", fmt.Sprintf("format: %q: expected html, csv, json or text", format))
		return
	}
	now := time.Now().In(a.zone)
	from, to, err := span(r.URL.Query(), a.zone, now)
	if err != nil {
		kpiProblem(w, err)
		return
	}
	if !r.URL.Query().Has("from") && !r.URL.Query().Has("to") {
		to = time.Date(now.Year(), now.Month(), now.Day()-(int(now.Weekday())+6)%7, 0, 0, 0, 0, a.zone)
		from = to.AddDate(0, 0, -7)
	}
	who := httpapi.User(r)
	rep := &report.Report{Kind: kind.Name, Title: kind.Title, Source: kind.Source, Question: kind.Question, From: from.In(a.zone), To: to.In(a.zone), Made: now, By: who.Name, Partner: who.PartnerID}
	if err := a.fill(r.Context(), rep, kind); err != nil {
		kpiProblem(w, err)
		return
	}
	var body bytes.Buffer
	switch format {
	case "html":
		err = report.HTML(&body, rep)
	case "csv":
		err = report.CSV(&body, rep)
	case "text":
		err = report.Text(&body, rep)
	default:
		err = json.NewEncoder(&body).Encode(rep)
	}
	if err != nil {
		httpapi.Problem(w, http.StatusInternalServerError, "The report could not be written", err.Error())
		return
	}
	err = a.audit.Write(r.Context(), auditlog.Entry{Actor: who.Name, Roles: who.Roles, PartnerID: who.PartnerID, Action: auditlog.ReportExported, Kind: "report", Subject: kind.Name, Address: r.RemoteAddr, Source: "api",
		Detail: map[string]string{"from": rep.From.Format(time.RFC3339), "to": rep.To.Format(time.RFC3339), "format": format}})
	if err != nil { // an export that is not on record is not given out (REP-05)
		w.Header().Set("Retry-After", "2")
		httpapi.Problem(w, http.StatusServiceUnavailable, "The export could not be put on record", err.Error())
		return
	}
	w.Header().Set("Content-Type", renders[format])
	w.Header().Set("Cache-Control", "no-store")
	if format == "html" {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	}
	_, _ = w.Write(body.Bytes())
}

// fill asks for every number of the report.
func (a *App) fill(ctx context.Context, rep *report.Report, kind report.Kind) error {
	var where []kpi.Filter
	if rep.Partner != "" { // REP-04
		where = []kpi.Filter{{Dim: "partner", Values: []string{rep.Partner}}}
	}
	ask := func(metrics, by []string, from, to time.Time, where []kpi.Filter) ([]kpi.Result, error) {
		return kpi.Ask(ctx, a.conn, kpi.Query{Metrics: metrics, From: from, To: to, By: by, Where: where, Zone: a.zone, Now: time.Now()})
	}
	for _, t := range kind.Tables {
		if rep.Partner != "" { // what has no partner is nobody's
			t.Metrics = slices.DeleteFunc(slices.Clone(t.Metrics), func(name string) bool { return !cutBy(name, "partner") })
		}
		answers, err := ask(t.Metrics, t.By, rep.From, rep.To, where)
		if err != nil {
			return err
		}
		rep.Sections = append(rep.Sections, report.FromAnswers(t, answers))
	}
	if kind.Complaints {
		table, err := kpi.TableOfComplaints(ctx, a.conn, rep.From, rep.To, "category", "channel", rep.Partner, a.zone)
		if err != nil {
			return err
		}
		rep.Sections = append(rep.Sections, report.Complaints(table))
	}
	if !kind.Settlement {
		return nil
	}
	last := rep.To.Add(-time.Millisecond)
	month := time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, a.zone)
	tariff := report.Tariff(a.cfg.Reports.Settlement)
	orders, err := ask([]string{"orders"}, []string{"partner", "product", "month"}, month.AddDate(0, 1-len(tariff.Shares), 0), month.AddDate(0, 1, 0), where)
	if err != nil {
		return err
	}
	var sold []report.Sold
	for _, r := range orders[0].Rows {
		x := report.Sold{}
		for i, into := range []*string{&x.Partner, &x.Product, &x.Month} {
			if v := r.Keys[i].Value; v != nil {
				*into = *v
			}
		}
		if r.Value != nil {
			x.Orders = *r.Value
		}
		sold = append(sold, x)
	}
	completed, err := ask([]string{"completed_accounts"}, []string{"partner"}, month, month.AddDate(0, 1, 0), append(slices.Clone(where), kpi.Filter{Dim: "purpose", Values: []string{"survey"}}))
	if err != nil {
		return err
	}
	questionnaires := map[string]float64{}
	for _, r := range completed[0].Rows {
		if v := r.Keys[0].Value; v != nil && r.Value != nil {
			questionnaires[*v] = *r.Value
		}
	}
	rep.Sections = append(rep.Sections, report.Settle(tariff, month.Format("2006-01"), sold, questionnaires))
	return nil
}

func cutBy(metric, dim string) bool {
	for _, m := range kpi.Catalogue() {
		if m.Name == metric {
			return slices.Contains(m.Dimensions(), dim)
		}
	}
	return false
}
