package kpi

// Line is what a chart of a metric is held against: the catalogue's bound, else its target where it holds everywhere.
type Line struct {
	Value   float64
	Ceiling bool // to stay below, not to reach
	From    string
}

// LineOf is the metric's line; false where the sources name none.
func (m Metric) LineOf() (Line, bool) {
	if b := m.Alert; b != nil {
		if b.Over != nil {
			return Line{*b.Over, true, b.From}, true
		}
		if b.Under != nil {
			return Line{*b.Under, false, b.From}, true
		}
	}
	for _, t := range m.Targets {
		if t.Where == "" {
			return Line{t.Value, m.Better == "less", t.From}, true
		}
	}
	return Line{}, false
}
