package dashboards

// The words dashboards are written with. A new dashboard is a list of rows: stats, trends, breakdowns, listings.

func t(en, zh string) Text { return Text{en, zh} }

// row is a heading and its panels.
func row(title Text, panels ...Panel) Row { return Row{title, panels} }

// stats is a row of headline numbers, one metric each, titled as the catalogue has them.
func stats(title Text, metrics ...string) Row {
	r := Row{Title: title}
	width := uint32(24 / max(1, len(metrics)))
	for _, m := range metrics {
		r.Panels = append(r.Panels, Panel{Kind: Stat, Title: metricTitle(m), Metrics: []string{m}, Width: width, Height: 4})
	}
	return r
}

// trend shows metrics over time, half a page wide. The console takes a coarser bucket where the range is long.
func trend(title Text, by string, metrics ...string) Panel {
	return Panel{Kind: Trend, Title: title, By: by, Metrics: metrics, Width: 12, Height: 8}
}

// breakdown shows metrics for each value of a dimension; the first is the bar.
func breakdown(title Text, by string, metrics ...string) Panel {
	return Panel{Kind: Breakdown, Title: title, By: by, Metrics: metrics, Width: 24, Height: 9}
}

// funnel shows metrics as bars below each other.
func funnel(title Text, metrics ...string) Panel {
	return Panel{Kind: Funnel, Title: title, Metrics: metrics, Width: 12, Height: 9}
}

// list shows the rows of a listing.
func list(title Text, name string) Panel {
	return Panel{Kind: Listing, Title: title, Rows: name, Width: 24, Height: 9}
}

// over shows a listing whose first column is time as a trend.
func over(title Text, name, unit string) Panel {
	return Panel{Kind: Trend, Title: title, Rows: name, Unit: unit, Width: 12, Height: 8}
}

// gauge and watch show what Prometheus has: one number now, and lines.
func gauge(title Text, unit, expr, note string) Panel {
	return Panel{Kind: Stat, Title: title, Unit: unit, Prom: []Prom{{expr, ""}}, Note: note, Width: 4, Height: 4}
}

func watch(title Text, unit, note string, q ...Prom) Panel {
	return Panel{Kind: Trend, Title: title, Unit: unit, Prom: q, Note: note, Width: 12, Height: 8}
}

// half is narrower than the grammar's default.
func half(p Panel) Panel { p.Width = 12; return p }
