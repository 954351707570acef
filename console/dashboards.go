package console

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"

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

// terms are the words of a dashboard's columns and the names of its lines in the reader's language: by column, then by what
// the data say.
func terms(v dashboards.View, lang dashboards.Lang) (dashboards.Words, error) {
	all, err := dashboards.WordsIn(lang)
	if err != nil {
		return nil, err
	}
	out := dashboards.Words{"": all[""]} // lines
	for _, p := range v.Panels {
		for _, c := range p.Columns {
			if words := all.Of(c.Name, c.Unit); words != nil {
				out[c.Name] = words
			}
		}
	}
	return out, nil
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
	terms, err := terms(v, lang)
	if err != nil {
		return board{}, err
	}
	model, err := json.Marshal(map[string]any{"view": v, "words": words, "ranges": ranges, "terms": terms, "told": c.tellings(l)}) // escapes <, > and &
	if err != nil {
		return board{}, err
	}
	return board{v, ranges, template.JS(model)}, nil
}
