package dashboards

import (
	"hash/fnv"
	"slices"
	"strings"
)

// Lang is a language dashboards are written in.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// Langs lists them, the default first.
func Langs() []Lang { return []Lang{English, Chinese} }

// Text is a title in every language.
type Text struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// In is the text in a language.
func (t Text) In(l Lang) string {
	if l == Chinese {
		return t.ZH
	}
	return t.EN
}

// Kind is how a panel shows what it has.
type Kind string

// The kinds of panels.
const (
	Stat      Kind = "stat"      // one number for the whole range
	Trend     Kind = "trend"     // over time
	Breakdown Kind = "breakdown" // a bar and the numbers for each value of a dimension
	Funnel    Kind = "funnel"    // metrics as bars, each a part of the one above
	Listing   Kind = "listing"   // rows behind the numbers
)

// Panel is one picture.
type Panel struct {
	Kind    Kind     `json:"kind"`
	Title   Text     `json:"title"`
	Metrics []string `json:"metrics,omitempty"` // of the catalogue
	By      string   `json:"by,omitempty"`      // dimension of a breakdown, bucket of a trend
	Rows    string   `json:"rows,omitempty"`    // name of a listing, instead of metrics
	Prom    []Prom   `json:"prom,omitempty"`    // PromQL, instead of metrics
	Unit    string   `json:"unit,omitempty"`    // of Prom, in the catalogue's words
	Width   uint32   `json:"width"`             // of 24
	Height  uint32   `json:"height"`            // in Grafana's units of about 38 px
	Note    string   `json:"note,omitempty"`
}

// Prom is one query of Prometheus; Legend is a Grafana legend format.
type Prom struct {
	Expr   string `json:"expr"`
	Legend string `json:"legend"`
}

// Key says what a panel shows, in words that do not change with its title or place.
func (p Panel) Key() string {
	what := strings.Join(p.Metrics, "+")
	if p.Rows != "" {
		what = "rows:" + p.Rows
	}
	for _, q := range p.Prom {
		what += q.Expr + ";"
	}
	return string(p.Kind) + "/" + what + "/" + p.By
}

// ID is stable for as long as the panel shows the same: links and alerts point at it. It is below 2^20.
func (p Panel) ID() uint32 { return stableID(p.Key()) }

func stableID(key string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	s := h.Sum32()
	return s>>20 ^ s&0xfffff | 1<<10
}

// Row is a band of panels under a heading.
type Row struct {
	Title  Text    `json:"title"`
	Panels []Panel `json:"panels"`
}

// Dashboard is one page. Question is what its reader wants to know.
type Dashboard struct {
	UID       string     `json:"uid"`
	Title     Text       `json:"title"`
	Question  Text       `json:"question"`
	Variables []Variable `json:"variables"`
	From      string     `json:"from"` // the range it opens with, as Grafana writes it: now-24h
	Rows      []Row      `json:"rows"`
}

// Panels of all rows.
func (d Dashboard) Panels() []Panel {
	var out []Panel
	for _, r := range d.Rows {
		out = append(out, r.Panels...)
	}
	return out
}

// Panel by its id.
func (d Dashboard) Panel(id uint32) (Panel, bool) {
	all := d.Panels()
	i := slices.IndexFunc(all, func(p Panel) bool { return p.ID() == id })
	if i < 0 {
		return Panel{}, false
	}
	return all[i], true
}

// All dashboards, in the order a reader meets them; the last is where drill-downs lead.
func All() []Dashboard {
	return []Dashboard{overview(), campaign(), team(), caps(), quality(), complaints(), dialer(), funnelPage(), partners(), pipeline(), calls()}
}

// Find a dashboard by its uid, with or without the prefix.
func Find(uid string) (Dashboard, bool) {
	all := All()
	i := slices.IndexFunc(all, func(d Dashboard) bool { return d.UID == uid || d.UID == Prefix+uid })
	if i < 0 {
		return Dashboard{}, false
	}
	return all[i], true
}

// Prefix of every uid.
const Prefix = "ringfence-"

// Slug is the uid without its prefix: the name in the console's addresses.
func (d Dashboard) Slug() string { return strings.TrimPrefix(d.UID, Prefix) }
