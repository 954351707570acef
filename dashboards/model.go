package dashboards

// Kind is how a panel shows its metrics.
type Kind string

const (
	Stat      Kind = "stat"      // one number for the whole range
	Trend     Kind = "trend"     // lines over time
	Breakdown Kind = "breakdown" // a bar and the numbers for each value of a dimension
)

// Panel is one picture. ID is stable for ever: links and alerts point at it.
type Panel struct {
	ID      uint32   `json:"id"`
	Kind    Kind     `json:"kind"`
	Title   string   `json:"title"`
	Metrics []string `json:"metrics"`
	By      string   `json:"by,omitempty"` // dimension of a breakdown, time bucket of a trend
	Width   uint32   `json:"width"`        // of 24
	Note    string   `json:"note,omitempty"`
}

// Row is a band of panels under a heading.
type Row struct {
	Title  string  `json:"title"`
	Panels []Panel `json:"panels"`
}

// Dashboard is one page. Question is what its reader wants to know.
type Dashboard struct {
	UID      string `json:"uid"`
	Title    string `json:"title"`
	Question string `json:"question"`
	Rows     []Row  `json:"rows"`
}

// All dashboards, in the order a reader meets them.
func All() []Dashboard { return []Dashboard{Overview()} }

// stats is a row of headline numbers, one metric each.
func stats(firstID uint32, title string, metrics ...[2]string) Row {
	r := Row{Title: title}
	width := uint32(max(3, 24/max(1, len(metrics))))
	for i, m := range metrics {
		r.Panels = append(r.Panels, Panel{ID: firstID + uint32(i), Kind: Stat, Title: m[1], Metrics: []string{m[0]}, Width: width})
	}
	return r
}
