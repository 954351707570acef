package console

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/ringfence/ringfence/dashboards"
)

// ranges a reader can choose, as Grafana writes their beginning; the page shows dash.ranges.<range>.
var ranges = []string{"now-1h", "now-6h", "now-24h", "today", "now-7d", "now-30d", "now-90d"}

// board is a dashboard's page in one language.
type board struct {
	View   dashboards.View
	Ranges []string
	Model  template.JS // the model the page's script draws from
}

// PageTitle is the dashboard's own title instead of a message.
func (b board) PageTitle() string { return b.View.Title }

// dashboardPages mounts a page for each dashboard; the overview is the console's first page.
func (c *console) dashboardPages(mux *http.ServeMux) error {
	for _, d := range dashboards.All() {
		boards := map[string]board{}
		for _, l := range c.locales {
			b, err := c.board(d, l)
			if err != nil {
				return fmt.Errorf("dashboard %s: %w", d.UID, err)
			}
			boards[l.Tag] = b
		}
		page := c.figures(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.show(w, r, http.StatusOK, "overview", "overview.title", boards[c.locale(r).Tag])
		}))
		mux.Handle("GET /console/dashboards/"+d.Slug(), page)
		if d.Slug() == "overview" {
			mux.Handle("GET /{$}", page)
		}
	}
	return nil
}

// termsOf are the messages of what a dashboard's columns say in single words, by the name of the column.
var termsOf = map[string]string{
	"outcome": "outcome", "answered_by": "answeredby", "disposition": "disposition", "purpose": "purpose", "draw": "draw", "state": "state", "alert_state": "alertstate", "status": "permitstatus", "permit": "permitlack",
	"kind": "kind", "dimension": "dimension", "verdict": "dialling", "by": "verdictby", "severity": "gravity", "level": "gravity", "category": "category", "action": "action", "fatal": "yesfatal", "what": "gap", "fact": "fact",
}

// terms are the words of a dashboard's columns and the names of its lines in the reader's language: by column, then by what
// the data say.
func (l *locale) terms(v dashboards.View) map[string]map[string]string {
	out := map[string]map[string]string{"": l.group("series")} // lines
	for _, p := range v.Panels {
		for _, c := range p.Columns {
			if c.Unit == "word" || c.Name == "purpose" {
				out[c.Name] = l.group(termsOf[c.Name])
			}
		}
	}
	return out
}

// group is all words of an enumeration.
func (l *locale) group(prefix string) map[string]string {
	out := map[string]string{}
	for id := range l.texts {
		if value, ok := strings.CutPrefix(id, prefix+"."); ok {
			if value == "others" {
				value = "other"
			}
			out[value] = l.word(prefix, value)
		}
	}
	return out
}

func (c *console) board(d dashboards.Dashboard, l *locale) (board, error) {
	lang := dashboards.English
	if l.Tag == "zh-CN" {
		lang = dashboards.Chinese
	}
	v, err := d.In(lang)
	if err != nil {
		return board{}, err
	}
	words, err := l.messages("dash")
	if err != nil {
		return board{}, err
	}
	model, err := json.Marshal(map[string]any{"view": v, "words": words, "ranges": ranges, "terms": l.terms(v), "told": c.tellings(l)}) // escapes <, > and &
	if err != nil {
		return board{}, err
	}
	return board{v, ranges, template.JS(model)}, nil
}
