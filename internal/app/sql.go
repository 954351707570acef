package app

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
)

var formatName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{1,40}$`)

// sqlHandler passes a query on to ClickHouse's HTTP interface, read-only and bounded, for `ringfence sql`. Of each row the
// newest version is read, unless versions=all asks for those that it has replaced, too.
func sqlHandler(base, database, user, password string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		format := r.URL.Query().Get("format")
		if format == "" {
			format = "PrettyCompact"
		}
		if !formatName.MatchString(format) {
			http.Error(w, fmt.Sprintf("format %q is not the name of one", format), http.StatusUnprocessableEntity)
			return
		}
		q := url.Values{"database": {database}, "default_format": {format}, "readonly": {"1"}, "max_execution_time": {"60"},
			"output_format_pretty_color": {"0"}}
		if r.URL.Query().Get("versions") != "all" {
			q.Set("final", "1")
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, base+"/?"+q.Encode(), http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if user != "" {
			req.Header.Set("X-ClickHouse-User", user)
			req.Header.Set("X-ClickHouse-Key", password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			http.Error(w, "ClickHouse does not answer: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		status := resp.StatusCode
		if status >= 500 { // ClickHouse says 500 to many a mistake in the query
			status = http.StatusUnprocessableEntity
		}
		w.WriteHeader(status)
		_, _ = io.Copy(w, resp.Body)
	}
}
