package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// The data sources: variables pick one of each type.
const (
	clickhouseType = "grafana-clickhouse-datasource"
	prometheusType = "prometheus"
	tag            = "ringfence"
)

func clickhouseRef() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr(clickhouseType), Uid: cog.ToPtr("${clickhouse}")}
}

func prometheusRef() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr(prometheusType), Uid: cog.ToPtr("${prometheus}")}
}

// target is one query in the form the ClickHouse data source (v4) keeps it.
type target struct {
	Datasource    common.DataSourceRef `json:"datasource"`
	EditorType    string               `json:"editorType"`
	Format        int                  `json:"format"` // 0 time series, 1 table
	QueryType     string               `json:"queryType"`
	RawSQL        string               `json:"rawSql"`
	RefID         string               `json:"refId"`
	PluginVersion string               `json:"pluginVersion"`
}

func (target) ImplementsDataqueryVariant() {}

// DataqueryType is the data source's type.
func (target) DataqueryType() string { return clickhouseType }

// Validate has nothing to find.
func (target) Validate() error { return nil }

// Equals compares two queries.
func (t target) Equals(other variants.Dataquery) bool {
	o, ok := other.(target)
	return ok && o.RawSQL == t.RawSQL && o.RefID == t.RefID
}

// Build implements the SDK's builder of a query.
func (t target) Build() (variants.Dataquery, error) { return t, nil }

func sqlTarget(sql string, series bool) target {
	t := target{Datasource: clickhouseRef(), EditorType: "sql", Format: 1, QueryType: "table", RawSQL: sql, RefID: "A", PluginVersion: "4.0.0"}
	if series {
		t.Format, t.QueryType = 0, "timeseries"
	}
	return t
}

func promTarget(i int, p Prom, now bool) *prometheus.DataqueryBuilder {
	b := prometheus.NewDataqueryBuilder().Expr(p.Expr).RefId(string(rune('A' + i))).Datasource(prometheusRef()).EditorMode(prometheus.QueryEditorModeCode)
	if p.Legend != "" {
		b.LegendFormat(p.Legend)
	}
	if now {
		return b.Instant()
	}
	return b.Range()
}

// GrafanaUID is the dashboard's uid in a language; both may live in one Grafana.
func (d Dashboard) GrafanaUID(lang Lang) string {
	if lang == Chinese {
		return d.UID + "-zh"
	}
	return d.UID
}

// GrafanaTag marks the dashboards of a language: links between them go by it.
func GrafanaTag(lang Lang) string {
	if lang == Chinese {
		return tag + "-zh"
	}
	return tag
}

// Grafana renders a dashboard as the JSON Grafana imports. The same dashboard always gives the same bytes.
func Grafana(d Dashboard, zone string, lang Lang) ([]byte, error) {
	//lint:ignore SA1019 the classic schema is what every Grafana in the field imports and provisions
	b := dashboard.NewDashboardBuilder(d.Title.In(lang)).Uid(d.GrafanaUID(lang)).Description(d.Question.In(lang)).Tags([]string{GrafanaTag(lang)}).
		Time(d.From, "now").Refresh("30s").Timezone(zone).Editable().Tooltip(dashboard.DashboardCursorSyncCrosshair).WeekStart("monday").
		Link(dashboard.NewDashboardLinkBuilder("ringfence").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{GrafanaTag(lang)}).AsDropdown(true).IncludeVars(true).KeepTime(true).Icon("external link"))
	words, err := WordsIn(lang)
	if err != nil {
		return nil, err
	}
	for _, v := range d.grafanaVariables(lang) {
		b.WithVariable(v)
	}
	for _, a := range d.Annotations() {
		b.Annotation(dashboard.NewAnnotationQueryBuilder().Name(a.Title.In(lang)).Datasource(clickhouseRef()).Enable(true).Hide(false).IconColor(a.Color).Target(sqlTarget(a.SQL, false)))
	}
	for _, r := range d.Rows {
		b.WithRow(dashboard.NewRowBuilder(r.Title.In(lang)).Id(stableID("row/" + d.UID + "/" + r.Title.EN)))
		for _, p := range r.Panels {
			panel, err := d.grafanaPanel(p, zone, lang, words)
			if err != nil {
				return nil, fmt.Errorf("panel %d %q: %w", p.ID(), p.Title.EN, err)
			}
			b.WithPanel(panel)
		}
	}
	built, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	return encode(built)
}

// encode writes the dashboard without what the SDK adds of its own and Grafana's present schema does not know: an
// interval's fields in other variables, and the footer that tables have lost.
//
//lint:ignore SA1019 the classic schema is what every Grafana in the field imports and provisions
func encode(built dashboard.Dashboard) ([]byte, error) {
	raw, err := json.Marshal(built)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var d map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	each := func(list any, f func(map[string]any)) {
		all, _ := list.([]any)
		for _, x := range all {
			if m, ok := x.(map[string]any); ok {
				f(m)
			}
		}
	}
	if t, ok := d["templating"].(map[string]any); ok {
		each(t["list"], func(v map[string]any) {
			for _, name := range []string{"auto", "auto_min", "auto_count"} {
				delete(v, name)
			}
		})
	}
	each(d["panels"], func(p map[string]any) {
		if o, ok := p["options"].(map[string]any); ok && p["type"] == "table" {
			delete(o, "footer")
		}
	})
	out, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return append(out, '\n'), nil
}

func (d Dashboard) grafanaVariables(lang Lang) []cog.Builder[dashboard.VariableModel] {
	out := []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("clickhouse").Label("ClickHouse").Type(clickhouseType).Hide(dashboard.VariableHideHideVariable),
	}
	for _, p := range d.Panels() {
		if len(p.Prom) > 0 {
			out = append(out, dashboard.NewDatasourceVariableBuilder("prometheus").Label("Prometheus").Type(prometheusType).Hide(dashboard.VariableHideHideVariable))
			break
		}
	}
	for _, v := range d.Variables {
		if len(v.Choices) > 0 {
			out = append(out, choices(v, lang))
			continue
		}
		sql := v.valuesSQL()
		out = append(out, dashboard.NewQueryVariableBuilder(v.Name).Label(v.Title.In(lang)).Datasource(clickhouseRef()).Multi(true).IncludeAll(true).
			Query(dashboard.StringOrMap{String: cog.ToPtr(sql)}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{String: cog.ToPtr("All")}, Value: dashboard.StringOrArrayOfString{String: cog.ToPtr("$__all")}}))
	}
	return out
}

func choices(v Variable, lang Lang) cog.Builder[dashboard.VariableModel] {
	values := ""
	var options []dashboard.VariableOption
	for i, c := range v.Choices {
		if i > 0 {
			values += ", "
		}
		values += c.Title.In(lang) + " : " + c.Value
		options = append(options, dashboard.VariableOption{Selected: cog.ToPtr(i == 0), Text: dashboard.StringOrArrayOfString{String: cog.ToPtr(c.Title.In(lang))}, Value: dashboard.StringOrArrayOfString{String: cog.ToPtr(c.Value)}})
	}
	return dashboard.NewCustomVariableBuilder(v.Name).Label(v.Title.In(lang)).Values(dashboard.StringOrMap{String: &values}).Options(options).Current(options[0]).AllowCustomValue(false)
}
