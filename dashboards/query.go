package dashboards

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Query of a panel on ClickHouse, in the words of Grafana's data source; Expand makes SQL of it.
type Query struct {
	SQL     string
	Columns []Column
	Filters []string // variables it is narrowed by
	Without []string // variables of the dashboard it can not be narrowed by
}

// metrics of a panel, as the catalogue has them, each with the panel's dimension.
func (p Panel) metrics() ([]kpi.Metric, error) {
	var out []kpi.Metric
	for _, name := range p.Metrics {
		m, err := kpi.Lookup(name)
		if err != nil {
			return nil, err
		}
		if p.By != "" && !slices.Contains(m.Dimensions(), p.By) {
			return nil, fmt.Errorf("metric %s has no dimension %s; it has %s", name, p.By, strings.Join(m.Dimensions(), ", "))
		}
		out = append(out, m)
	}
	return out, nil
}

// Query of a panel of the dashboard, for reports in the zone; the zero Query for a panel that asks Prometheus.
func (d Dashboard) Query(p Panel, zone string) (Query, error) {
	switch {
	case len(p.Prom) > 0:
		return Query{}, nil
	case p.Rows != "":
		l, err := listingOf(p.Rows)
		if err != nil {
			return Query{}, err
		}
		q := Query{SQL: onlyOf(l, d.Variables, zone), Columns: l.columns}
		for _, v := range d.Variables {
			switch {
			case len(v.Choices) > 0:
			case slices.Contains(l.vars, v.Name):
				q.Filters = append(q.Filters, v.Name)
			default:
				q.Without = append(q.Without, v.Name)
			}
		}
		return q, nil
	}
	ms, err := p.metrics()
	if err != nil {
		return Query{}, err
	}
	if len(ms) == 0 {
		return Query{}, fmt.Errorf("the panel shows nothing: expected metrics, a listing or PromQL")
	}
	q := Query{}
	q.Filters, q.Without = filters(ms, d.Variables)
	var where []kpi.Filter
	for _, f := range q.Filters {
		where = append(where, kpi.Filter{Dim: f, Values: []string{mark(f)}})
	}
	if q.SQL, err = unmark(kpi.Panels(ms, p.By, where, "$__fromTime_ms", "$__toTime_ms", zone)); err != nil {
		return Query{}, err
	}
	if p.By != "" {
		c := Column{Name: p.By, Title: dimensionTitle(p.By), Drill: p.By}
		if kpi.IsBucket(p.By) {
			c = Column{Name: "time", Title: dimensionTitle("time"), Unit: "time"}
		}
		q.Columns = append(q.Columns, c)
	}
	for i, m := range ms {
		q.Columns = append(q.Columns, Column{Name: m.Name, Title: metricTitle(m.Name), Unit: m.Unit, Bar: i == 0 && p.Kind == Breakdown})
	}
	return q, nil
}

// onlyOf takes conditions on variables the dashboard does not have out of a listing, which stand at "all", and puts the zone in.
func onlyOf(l rows, vars []Variable, zone string) string {
	sql := strings.ReplaceAll(l.sql, zoneMark, zone)
	for _, name := range l.vars {
		if !slices.ContainsFunc(vars, func(v Variable) bool { return v.Name == name }) {
			sql = replaceOnly(sql, name)
		}
	}
	return sql
}

func dimensionTitle(dim string) Text {
	for _, v := range []Variable{varCampaign, varTeam, varAgent, varPartner, varProduct} {
		if v.Name == dim {
			return v.Title
		}
	}
	switch dim {
	case "list":
		return Text{"List", "名单"}
	case "purpose":
		return Text{"Purpose", "目的"}
	}
	return Text{"Time", "时间"}
}

// Describe is what stands behind a panel: what each metric means, where the definition comes from, the line to reach,
// and which of the dashboard's variables do not narrow it.
func (d Dashboard) Describe(p Panel, lang Lang) string {
	var parts []string
	for _, name := range p.Metrics {
		m, ok := kpi.Find(name)
		if !ok {
			continue
		}
		s := m.Title() + ": " + m.Meaning + ". Source: " + strings.TrimPrefix(m.ID+", ", ", ") + m.Source + "."
		if lang == Chinese {
			s = metricTitle(name).ZH + " · " + s
		}
		if line, ok := m.LineOf(); ok {
			s += fmt.Sprintf(" Line: %s (%s).", kpi.Format(&line.Value, m.Unit), line.From)
		}
		parts = append(parts, s)
	}
	if l, err := listingOf(p.Rows); err == nil && p.Rows != "" {
		parts = append(parts, l.note)
	}
	if p.Note != "" {
		parts = append(parts, p.Note)
	}
	if q, err := d.Query(p, "UTC"); err == nil && len(q.Without) > 0 {
		parts = append(parts, "Not narrowed by: "+strings.Join(q.Without, ", ")+".")
	}
	return strings.Join(parts, "\n\n")
}

// Drill is the choice of calls a metric's bar leads to, "" where there are no calls behind it.
func drill(metric string) string {
	switch metric {
	case "calls_made", "connect_rate", "average_handling_time", "dials_per_seat_hour", "seats", "accounts_called":
		return "all"
	case "connected_calls", "answered_by_human":
		return "connected"
	case "effective_talks", "effective_talk_rate", "successful_visits", "reachable_accounts", "completed_accounts":
		return "effective"
	case "orders", "order_rate", "successful_orders", "successful_accounts", "success_rate", "online_successes", "outbound_successes", "telemarketing_successes":
		return "orders"
	case "abandonment_rate":
		return "abandoned"
	case "cap_violations":
		return "violations"
	case "recording_coverage":
		return "unrecorded"
	case "complaints", "complaint_rate", "complaints_per_order", "justified_complaints":
		return "complained"
	}
	return ""
}

// DrillTo is where a click on the panel's bar leads: the choice of calls, or "" where no calls stand behind it.
func (p Panel) DrillTo() string {
	switch {
	case len(p.Metrics) > 0:
		return drill(p.Metrics[0])
	case p.Rows != "" && p.Rows != "calls":
		return "all"
	}
	return ""
}
