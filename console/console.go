package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"github.com/ringfence/ringfence/dashboards"
)

//go:embed all:static templates
var files embed.FS

// Options of the console.
type Options struct {
	Zone    *time.Location // the reporting zone, in which times are shown
	Version string
}

// New makes the console's handler. It serves / and /console/.
func New(opt Options) (http.Handler, error) {
	page, err := template.ParseFS(files, "templates/overview.html")
	if err != nil {
		return nil, fmt.Errorf("parse the console's page: %w", err)
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	d := dashboards.Overview()
	model, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode the overview: %w", err)
	}
	var body bytes.Buffer
	err = page.Execute(&body, map[string]any{"Dashboard": d, "Zone": opt.Zone.String(), "Version": opt.Version})
	if err != nil {
		return nil, fmt.Errorf("render the overview: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /console/static/", http.StripPrefix("/console/static/", cached(http.FileServerFS(static))))
	mux.HandleFunc("GET /console/overview.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(model)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body.Bytes())
	})
	return secured(mux), nil
}

// secured sets the headers every page has: only our own scripts and styles run, no page of ours is framed.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		h.ServeHTTP(w, r)
	})
}

func cached(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}
