package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"github.com/ringfence/ringfence/processors/kpi"
)

func grafanaUnit(unit string) string {
	switch unit {
	case kpi.Ratio:
		return "percentunit"
	case kpi.Seconds:
		return "s"
	case kpi.Hours:
		return "h"
	case "time":
		return "dateTimeAsIso"
	case "p":
		return "sci"
	case "", "word":
		return "string"
	}
	return "short"
}

// counts tells whether a unit counts things: 0 where nothing happened, drawn as bars.
func counts(unit string) bool {
	switch unit {
	case kpi.Calls, kpi.Orders, kpi.Permits, kpi.Complaints, kpi.Accounts:
		return true
	}
	return false
}

// panelBuilder is what the SDK's panel builders have in common.
type panelBuilder[T any] interface {
	Id(uint32) T
	Title(string) T
	Description(string) T
	Span(uint32) T
	Height(uint32) T
	Datasource(common.DataSourceRef) T
	WithTarget(cog.Builder[variants.Dataquery]) T
	Unit(string) T
	NoValue(string) T
	DataLinks([]cog.Builder[dashboard.DashboardLink]) T
	Thresholds(cog.Builder[dashboard.ThresholdsConfig]) T
	OverrideByName(string, []dashboard.DynamicConfigValue) T
}

func (d Dashboard) grafanaPanel(p Panel, zone string, lang Lang, words Words) (cog.Builder[dashboard.Panel], error) {
	q, err := d.Query(p, zone)
	if err != nil {
		return nil, err
	}
	f := frame{d, p, q, lang, words}
	switch {
	case p.Kind == Stat:
		b := dress(stat.NewPanelBuilder(), f).GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeNone).Orientation(common.VizOrientationAuto).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
		if _, ok := f.target(); ok {
			b.ColorMode(common.BigValueColorModeValue)
		}
		return b, nil
	case p.Kind == Trend:
		b := dress(timeseries.NewPanelBuilder(), f).LineWidth(2).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).AxisSoftMin(0).
			Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
			Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderNone))
		if counts(f.unit()) {
			b.DrawStyle(common.GraphDrawStyleBars).FillOpacity(60).LineWidth(1)
		}
		if _, ok := f.target(); ok {
			b.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
		}
		return b, nil
	case p.Kind == Funnel:
		return dress(bargauge.NewPanelBuilder(), f).Orientation(common.VizOrientationHorizontal).DisplayMode(common.BarGaugeDisplayModeBasic).ValueMode(common.BarGaugeValueModeText).
			ShowUnfilled(true).Min(0).ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})), nil
	case p.Kind == Breakdown || p.Kind == Listing:
		return dress(table.NewPanelBuilder(), f).CellHeight(common.TableCellHeightSm), nil
	}
	return nil, fmt.Errorf("kind %q is not known", p.Kind)
}

// frame is a panel in the making.
type frame struct {
	d Dashboard
	Panel
	query Query
	lang  Lang
	words Words // of the language
}

// unit of the panel as a whole; a table's columns have their own.
func (f frame) unit() string {
	if len(f.Metrics) > 0 {
		if m, ok := kpi.Find(f.Metrics[0]); ok {
			return m.Unit
		}
	}
	return f.Unit
}

// target is the line of a panel that shows one metric.
func (f frame) target() (kpi.Line, bool) {
	if len(f.Metrics) != 1 {
		return kpi.Line{}, false
	}
	m, ok := kpi.Find(f.Metrics[0])
	if !ok {
		return kpi.Line{}, false
	}
	return m.LineOf()
}

func dress[T panelBuilder[T]](b T, f frame) T {
	source := clickhouseRef()
	if len(f.Prom) > 0 {
		source = prometheusRef()
	}
	b.Id(f.ID()).Title(f.Title.In(f.lang)).Description(f.d.Describe(f.Panel, f.lang)).Span(f.Width).Height(f.Height).Datasource(source).NoValue("–")
	tabular := f.Kind == Breakdown || f.Kind == Listing
	if !tabular {
		b.Unit(grafanaUnit(f.unit()))
	}
	b.Thresholds(f.thresholds())
	for i, p := range f.Prom {
		if name := f.words[""][p.Legend]; name != "" {
			p.Legend = name
		}
		b.WithTarget(promTarget(i, p, f.Kind == Stat))
	}
	if len(f.Prom) > 0 {
		return b
	}
	b.WithTarget(sqlTarget(f.query.SQL, f.Kind == Trend))
	for _, c := range f.query.Columns {
		if c.Name == "time" && f.Kind == Trend {
			continue
		}
		if properties := f.column(c, tabular); len(properties) > 0 {
			b.OverrideByName(c.field(), properties)
		}
	}
	if which := f.DrillTo(); which != "" && !tabular {
		b.DataLinks([]cog.Builder[dashboard.DashboardLink]{f.link(which, "")})
	}
	return b
}

// column says how one column of the answer is shown.
func (f frame) column(c Column, tabular bool) []dashboard.DynamicConfigValue {
	out := []dashboard.DynamicConfigValue{{Id: "displayName", Value: c.Title.In(f.lang)}}
	if c.Unit != "" {
		out = append(out, dashboard.DynamicConfigValue{Id: "unit", Value: grafanaUnit(c.Unit)})
	}
	if !tabular {
		return out
	}
	if m := mappings(f.words.Of(c.Name, c.Unit)); m != nil {
		out = append(out, dashboard.DynamicConfigValue{Id: "mappings", Value: m})
	}
	if c.Bar {
		out = append(out, dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}}, dashboard.DynamicConfigValue{Id: "min", Value: 0})
	}
	if m, ok := kpi.Find(c.Name); ok {
		if _, has := m.LineOf(); has {
			out = append(out, dashboard.DynamicConfigValue{Id: "thresholds", Value: steps(m)}, dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}})
		}
	}
	which := f.DrillTo()
	if m := drill(c.Name); m != "" {
		which = m
	}
	if by := f.drillBy(); by != "" && which != "" && (c.Bar || c.Drill != "" || drill(c.Name) != "") && c.Name != "started_at" {
		l, err := f.link(which, by).Build()
		if err == nil {
			out = append(out, dashboard.DynamicConfigValue{Id: "links", Value: []any{map[string]any{"title": l.Title, "url": *l.Url, "targetBlank": false}}})
		}
	}
	return out
}

// drillBy is the column whose value a click fixes.
func (f frame) drillBy() string {
	for _, c := range f.query.Columns {
		if c.Drill != "" && varOf(c.Drill) {
			return c.Name
		}
	}
	return ""
}

func varOf(name string) bool {
	for _, v := range calls().Variables {
		if v.Name == name {
			return true
		}
	}
	return false
}

// link leads to the calls behind a value: the same range, the same filters, and the row's own value.
func (f frame) link(which, by string) cog.Builder[dashboard.DashboardLink] {
	to := calls()
	url := "/d/" + to.GrafanaUID(f.lang) + "?${__url_time_range}&var-which=" + which
	fixed := ""
	for _, c := range f.query.Columns {
		if c.Name == by && by != "" {
			fixed = c.Drill
			url += "&var-" + fixed + "=${__data.fields[\"" + c.field() + "\"]}"
		}
	}
	for _, v := range f.d.Variables {
		if v.Name != fixed && to.has(v.Name) && len(v.Choices) == 0 {
			url += "&${" + v.Name + ":queryparam}"
		}
	}
	return dashboard.NewDashboardLinkBuilder(to.Title.In(f.lang)).Type(dashboard.DashboardLinkTypeLink).Url(url)
}

func (d Dashboard) has(variable string) bool {
	for _, v := range d.Variables {
		if v.Name == variable {
			return true
		}
	}
	return false
}

func (f frame) thresholds() cog.Builder[dashboard.ThresholdsConfig] {
	s := []dashboard.Threshold{{Color: "green"}}
	if _, ok := f.target(); ok {
		m, _ := kpi.Find(f.Metrics[0])
		s = steps(m).Steps
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(s)
}

// steps colour a metric by its line: a floor is red below it, a ceiling red from it on.
func steps(m kpi.Metric) dashboard.ThresholdsConfig {
	line, _ := m.LineOf()
	below, above, at := "red", "green", line.Value
	if line.Ceiling {
		below, above = "green", "red"
	}
	return dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: []dashboard.Threshold{{Color: below}, {Color: above, Value: &at}}}
}
