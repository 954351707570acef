package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/kpi"
)

// panelData is what one panel shows: a line of the answer. Cells are in the order of the panel's columns, times in Unix
// milliseconds.
type panelData struct {
	Panel  uint32       `json:"panel"`
	Rows   [][]any      `json:"rows"`
	Parts  [][2]float64 `json:"parts,omitempty"`  // numerator and denominator of each metric without a cut; 0, 0 for a count
	Before []*float64   `json:"before,omitempty"` // the metrics in the same span before
	By     string       `json:"by,omitempty"`     // the bucket of a trend
	Series []string     `json:"series,omitempty"` // names of lines that are known only now
	Error  string       `json:"error,omitempty"`
}

// annotationData are the lines on the charts.
type annotationData struct {
	Annotations []note `json:"annotations"`
}

type note struct {
	At    int64  `json:"at"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// panelsAtOnce bounds the questions one page asks ClickHouse at a time.
const panelsAtOnce = 4

// mountDashboards serves what the console's dashboards show, and notes for them what is running since now.
func (a *App) mountDashboards(ctx context.Context) {
	a.watchSelf()
	a.noteChange(ctx, "deploy", a.opt.Version)
	a.noteChange(ctx, "policy", a.policies.current.Load().Ref())
	roles := []string{"supervisor", "compliance", "qa"}
	a.api.Handle("GET /v1/dashboards/{name}/panels", http.HandlerFunc(a.dashboardPanels), roles...)
	a.api.Handle("GET /v1/dashboards/{name}/values", http.HandlerFunc(a.dashboardValues), roles...)
}

// asked is a question about a dashboard, read from a request.
type asked struct {
	board  dashboards.Dashboard
	values dashboards.Values
	span   dashboards.Range
	own    string // the partner the asker is confined to
}

func (a *App) askedDashboard(r *http.Request) (asked, error) {
	d, ok := dashboards.Find(r.PathValue("name"))
	if !ok {
		return asked{}, &kpi.Error{Param: "name", Detail: fmt.Sprintf("there is no dashboard %q", r.PathValue("name"))}
	}
	q := asked{board: d, values: dashboards.Values{}, own: httpapi.Partner(r)}
	v := r.URL.Query()
	for name := range v {
		known := name == "from" || name == "to" || slices.ContainsFunc(d.Variables, func(x dashboards.Variable) bool { return x.Name == name })
		if !known {
			return asked{}, &kpi.Error{Param: name, Detail: "is not a parameter of this dashboard; expected from, to, and its variables"}
		}
	}
	for _, x := range d.Variables {
		given := v[x.Name]
		if len(x.Choices) > 0 && len(given) > 0 && (len(given) > 1 || !slices.ContainsFunc(x.Choices, func(c dashboards.Choice) bool { return c.Value == given[0] })) {
			return asked{}, &kpi.Error{Param: x.Name, Detail: fmt.Sprintf("%q: expected one of its choices", given)}
		}
		if len(given) > 0 {
			q.values[x.Name] = given
		}
	}
	if q.own != "" { // REP-04
		q.values["partner"] = []string{q.own}
	}
	var err error
	now := time.Now()
	if q.span.From, q.span.To, err = span(url.Values{"from": v["from"], "to": v["to"]}, a.zone, now); err != nil {
		return asked{}, err
	}
	if !q.span.From.Before(q.span.To) {
		return asked{}, &kpi.Error{Param: "to", Detail: "is not after from"}
	}
	return q, nil
}

// dashboardPanels streams a line for each panel as soon as its figures are there, and one with the annotations.
func (a *App) dashboardPanels(w http.ResponseWriter, r *http.Request) {
	q, err := a.askedDashboard(r)
	if err != nil {
		kpiProblem(w, err)
		return
	}
	groups, err := q.board.Groups(q.span.To.Sub(q.span.From))
	if err != nil {
		kpiProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	var mu sync.Mutex
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	send := func(lines ...any) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range lines {
			_ = enc.Encode(l)
		}
		_ = flush.Flush()
	}
	g, ctx := errgroup.WithContext(r.Context())
	g.SetLimit(panelsAtOnce)
	for _, x := range groups {
		g.Go(func() error { send(a.groupData(ctx, q, x)...); return nil })
	}
	g.Go(func() error { send(a.annotations(ctx, q)); return nil })
	for _, p := range q.board.Panels() {
		switch {
		case p.Rows != "":
			g.Go(func() error { send(a.listingData(ctx, q, p)); return nil })
		case len(p.Prom) > 0:
			g.Go(func() error { send(a.ownMetrics.panel(ctx, p, q.span)); return nil })
		}
	}
	_ = g.Wait()
}

// failed says of a panel why it shows nothing.
func failed(p dashboards.Panel, err error) panelData {
	text := "ClickHouse does not answer: " + err.Error()
	var wrong *kpi.Error
	if errors.As(err, &wrong) {
		text = wrong.Error()
	}
	return panelData{Panel: p.ID(), Rows: [][]any{}, Error: text}
}

var errConfined = &kpi.Error{Param: "partner", Detail: "this cannot be told apart by partner, so it is not shown to one"}

// groupData asks for the metrics of a group at once; stats come with their value in the span before.
func (a *App) groupData(ctx context.Context, q asked, g dashboards.Group) []any {
	lines := make([]any, 0, len(g.Panels))
	all := func(err error) []any {
		for _, p := range g.Panels {
			lines = append(lines, failed(p, err))
		}
		return lines
	}
	if q.own != "" && !slices.Contains(g.Filters, "partner") {
		return all(errConfined)
	}
	question := kpi.Query{Metrics: g.Metrics, From: q.span.From, To: q.span.To, Where: g.Where(q.values), Zone: a.zone, Now: time.Now()}
	if g.By != "" {
		question.By = []string{g.By}
	}
	res, err := kpi.Ask(ctx, a.conn, question)
	if err != nil {
		return all(err)
	}
	before := map[string]kpi.Result{}
	if g.By == "" {
		question.From, question.To = q.span.From.Add(-q.span.To.Sub(q.span.From)), q.span.From
		was, err := kpi.Ask(ctx, a.conn, question)
		if err != nil {
			return all(err)
		}
		for _, r := range was {
			before[r.Metric] = r
		}
	}
	byName := map[string]kpi.Result{}
	for _, r := range res {
		byName[r.Metric] = r
	}
	for _, p := range g.Panels {
		lines = append(lines, metricData(p, g.By, byName, before))
	}
	return lines
}

// metricData shapes the answers for one panel.
func metricData(p dashboards.Panel, by string, res, before map[string]kpi.Result) panelData {
	out := panelData{Panel: p.ID(), Rows: [][]any{}}
	if by == "" {
		row := make([]any, 0, len(p.Metrics))
		for _, m := range p.Metrics {
			r := res[m].Rows[0]
			row = append(row, r.Value)
			part := [2]float64{}
			if r.Denominator != nil {
				part = [2]float64{*r.Numerator, *r.Denominator}
			}
			out.Parts = append(out.Parts, part)
			out.Before = append(out.Before, before[m].Rows[0].Value)
		}
		out.Rows = append(out.Rows, row)
		return out
	}
	if p.Kind == dashboards.Trend {
		out.By = by
	}
	at := map[string]int{}
	for i, m := range p.Metrics {
		for _, r := range res[m].Rows {
			key, shown := "\x00", any(nil)
			if k := r.Keys[0].Value; k != nil {
				key, shown = *k, *k
			}
			n, ok := at[key]
			if !ok {
				n = len(out.Rows)
				at[key] = n
				out.Rows = append(out.Rows, make([]any, len(p.Metrics)+1))
				out.Rows[n][0] = shown
			}
			out.Rows[n][i+1] = r.Value
		}
	}
	return out
}

// listingData runs a listing.
func (a *App) listingData(ctx context.Context, q asked, p dashboards.Panel) panelData {
	query, err := q.board.Query(p, a.zone.String())
	if err == nil && q.own != "" && !slices.Contains(query.Filters, "partner") {
		err = errConfined
	}
	if err != nil {
		return failed(p, err)
	}
	_, rows, err := a.askRows(ctx, query.SQL, q.board.WithDefaults(q.values), q.span)
	if err != nil {
		return failed(p, err)
	}
	out := panelData{Panel: p.ID(), Rows: rows}
	if p.Kind == dashboards.Trend {
		out.By = "time"
	}
	return out
}

// annotations are what happened in the span; of a partner's asker they would tell of others.
func (a *App) annotations(ctx context.Context, q asked) annotationData {
	out := annotationData{Annotations: []note{}}
	if q.own != "" {
		return out
	}
	for _, x := range q.board.Annotations() {
		_, rows, err := a.askRows(ctx, x.SQL, q.values, q.span)
		if err != nil {
			a.log.Warn("annotations cannot be read", "kind", x.Name, "error", err)
			continue
		}
		for _, r := range rows {
			at, _ := r[0].(int64)
			title, _ := r[1].(string)
			text, _ := r[2].(string)
			out.Annotations = append(out.Annotations, note{at, x.Name, title, text})
		}
	}
	return out
}

// dashboardValues answers with the values each variable can take in the span.
func (a *App) dashboardValues(w http.ResponseWriter, r *http.Request) {
	q, err := a.askedDashboard(r)
	if err != nil {
		kpiProblem(w, err)
		return
	}
	out := map[string][]string{}
	ask := func(ctx context.Context, sql string) ([]string, [][]json.RawMessage, error) {
		cols, rows, err := a.askRows(ctx, sql, nil, q.span)
		if err != nil {
			return nil, nil, err
		}
		raw := make([][]json.RawMessage, len(rows))
		for i, row := range rows {
			for _, x := range row {
				b, err := json.Marshal(x)
				if err != nil {
					return nil, nil, err
				}
				raw[i] = append(raw[i], b)
			}
		}
		return cols, raw, nil
	}
	for _, v := range q.board.Variables {
		switch {
		case len(v.Choices) > 0:
		case v.Name == "partner" && q.own != "":
			out[v.Name] = []string{q.own}
		case q.own != "": // the names of others' agents and campaigns are none of theirs
			out[v.Name] = []string{}
		default:
			if out[v.Name], err = v.Lookup(r.Context(), ask, q.span); err != nil {
				kpiProblem(w, err)
				return
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out)
}

// askRows runs a panel's query and returns its cells: text, numbers, times in Unix milliseconds, nil.
func (a *App) askRows(ctx context.Context, sql string, v dashboards.Values, r dashboards.Range) ([]string, [][]any, error) {
	sql, err := dashboards.Expand(sql, v, r)
	if err != nil {
		return nil, nil, err
	}
	rows, err := a.conn.Query(ctx, sql+kpi.AsItIs)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	types := rows.ColumnTypes()
	out := [][]any{}
	for rows.Next() {
		into := make([]any, len(types))
		for i, t := range types {
			into[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		for i := range into {
			into[i] = cell(reflect.ValueOf(into[i]).Elem())
		}
		out = append(out, into)
	}
	return rows.Columns(), out, rows.Err()
}

func cell(v reflect.Value) any {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		if x.Unix() <= 0 { // ClickHouse's zero time
			return nil
		}
		return x.UnixMilli()
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return x
	default:
		return x
	}
}
