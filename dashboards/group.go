package dashboards

import (
	"slices"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Group is panels whose metrics can be asked in one question: the same cut, the same filters.
type Group struct {
	By      string
	Filters []string
	Metrics []string
	Panels  []Panel
}

// Bucket of a trend for a span of time: never finer than the panel's own, and no more points than a chart can show.
func Bucket(own string, span time.Duration) string {
	const day = 24 * time.Hour
	buckets := []string{"hour", "day", "week", "month"}
	fit := "month"
	switch {
	case span <= 5*day:
		fit = "hour"
	case span <= 120*day:
		fit = "day"
	case span <= 730*day:
		fit = "week"
	}
	if own == "day" && span <= day { // a single point says nothing
		return fit
	}
	return buckets[max(slices.Index(buckets, own), slices.Index(buckets, fit))]
}

// Groups of the panels that show metrics, for a span of time. Trends are cut by the bucket that suits it.
func (d Dashboard) Groups(span time.Duration) ([]Group, error) {
	var out []Group
	for _, p := range d.Panels() {
		if len(p.Metrics) == 0 {
			continue
		}
		ms, err := p.metrics()
		if err != nil {
			return nil, err
		}
		by := p.By
		if p.Kind == Trend {
			by = Bucket(by, span)
		}
		has, _ := filters(ms, d.Variables)
		i := slices.IndexFunc(out, func(g Group) bool { return g.By == by && slices.Equal(g.Filters, has) })
		if i < 0 {
			out = append(out, Group{By: by, Filters: has})
			i = len(out) - 1
		}
		out[i].Panels = append(out[i].Panels, p)
		for _, m := range p.Metrics {
			if !slices.Contains(out[i].Metrics, m) {
				out[i].Metrics = append(out[i].Metrics, m)
			}
		}
	}
	return out, nil
}

// Filters of the chosen values for a question to the catalogue.
func (g Group) Where(v Values) []kpi.Filter {
	var out []kpi.Filter
	for _, name := range g.Filters {
		if len(v[name]) > 0 {
			out = append(out, kpi.Filter{Dim: name, Values: v[name]})
		}
	}
	return out
}

// View is a dashboard in one language, as the console's pages need it.
type View struct {
	Name       string     `json:"name"`
	Title      string     `json:"title"`
	Question   string     `json:"question"`
	From       string     `json:"from"`
	Variables  []ViewVar  `json:"variables"`
	Rows       []ViewRow  `json:"-"`
	Panels     []ViewPane `json:"panels"`
	Dashboards []ViewLink `json:"-"`
}

// ViewVar is a variable in one language.
type ViewVar struct {
	Name    string       `json:"name"`
	Title   string       `json:"title"`
	Choices []ViewChoice `json:"choices,omitempty"`
}

// ViewChoice is a fixed value of a variable.
type ViewChoice struct {
	Value string `json:"value"`
	Title string `json:"title"`
}

// ViewRow is a band of panels.
type ViewRow struct {
	Title  string
	Stats  bool // nothing but headline numbers
	Panels []ViewPane
}

// ViewColumn is a column, or a line of a chart.
type ViewColumn struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Unit    string   `json:"unit,omitempty"`
	Bar     bool     `json:"bar,omitempty"`
	Long    bool     `json:"long,omitempty"`   // text that may be broken over lines
	Drill   string   `json:"drill,omitempty"`  // the variable its value fixes
	Which   string   `json:"which,omitempty"`  // the choice of calls behind it
	Better  string   `json:"better,omitempty"` // more, less
	Target  *float64 `json:"target,omitempty"`
	Ceiling bool     `json:"ceiling,omitempty"` // to stay below the target, not to reach it
}

// ViewPane is a panel in one language.
type ViewPane struct {
	ID      uint32       `json:"id"`
	Kind    Kind         `json:"kind"`
	Title   string       `json:"title"`
	About   string       `json:"about"`
	Unit    string       `json:"unit,omitempty"`
	Width   uint32       `json:"width"`
	Height  uint32       `json:"height"`
	Which   string       `json:"which,omitempty"`
	Bars    bool         `json:"bars,omitempty"` // a trend of counts
	Columns []ViewColumn `json:"columns"`
}

// ViewLink leads to another dashboard.
type ViewLink struct {
	Name, Title string
	Here        bool
}

// In is the dashboard in a language.
func (d Dashboard) In(lang Lang) (View, error) {
	v := View{Name: d.Slug(), Title: d.Title.In(lang), Question: d.Question.In(lang), From: d.From, Variables: []ViewVar{}, Panels: []ViewPane{}}
	for _, x := range d.Variables {
		y := ViewVar{Name: x.Name, Title: x.Title.In(lang)}
		for _, c := range x.Choices {
			y.Choices = append(y.Choices, ViewChoice{c.Value, c.Title.In(lang)})
		}
		v.Variables = append(v.Variables, y)
	}
	for _, other := range All() {
		v.Dashboards = append(v.Dashboards, ViewLink{other.Slug(), other.Title.In(lang), other.UID == d.UID})
	}
	for _, r := range d.Rows {
		row := ViewRow{Title: r.Title.In(lang), Stats: !slices.ContainsFunc(r.Panels, func(p Panel) bool { return p.Kind != Stat })}
		for _, p := range r.Panels {
			pane, err := d.pane(p, lang)
			if err != nil {
				return View{}, err
			}
			row.Panels = append(row.Panels, pane)
			v.Panels = append(v.Panels, pane)
		}
		v.Rows = append(v.Rows, row)
	}
	return v, nil
}

func (d Dashboard) pane(p Panel, lang Lang) (ViewPane, error) {
	q, err := d.Query(p, "UTC")
	if err != nil {
		return ViewPane{}, err
	}
	f := frame{d: d, Panel: p, query: q, lang: lang}
	out := ViewPane{ID: p.ID(), Kind: p.Kind, Title: p.Title.In(lang), About: d.Describe(p, lang), Unit: f.unit(), Width: p.Width, Height: p.Height, Which: p.DrillTo(),
		Bars: p.Kind == Trend && counts(f.unit()), Columns: []ViewColumn{}}
	for _, c := range q.Columns {
		x := ViewColumn{Name: c.Name, Title: c.Title.In(lang), Unit: c.Unit, Bar: c.Bar, Long: c.Long, Which: drill(c.Name)}
		if varOf(c.Drill) {
			x.Drill = c.Drill
		}
		if m, ok := kpi.Find(c.Name); ok {
			x.Better = m.Better
			if t, ok := m.LineOf(); ok {
				x.Target, x.Ceiling = &t.Value, t.Ceiling
			}
		}
		out.Columns = append(out.Columns, x)
	}
	return out, nil
}
