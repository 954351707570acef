package report

import (
	"embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

//go:embed report.html
var files embed.FS

var page = template.Must(template.New("report.html").Funcs(template.FuncMap{"words": func(s string) string { return strings.ReplaceAll(s, "_", " ") }}).ParseFS(files, "report.html"))

// HTML is a page that stands by itself: for mail, print and PDF.
func HTML(w io.Writer, r *Report) error { return page.Execute(w, r) }

// CSV writes every section as a table of exact values, with its title and an empty line between them.
func CSV(w io.Writer, r *Report) error {
	c := csv.NewWriter(w)
	line := func(cells ...string) { _ = c.Write(cells) } // an error stays in the writer
	line(r.Title, r.From.Format("2006-01-02T15:04:05Z07:00"), r.To.Format("2006-01-02T15:04:05Z07:00"))
	for _, s := range r.Sections {
		line("")
		line(s.Title)
		line(append(append([]string{}, s.Keys...), s.Columns...)...)
		for _, row := range s.Rows {
			cells := append([]string{}, row.Keys...)
			for _, x := range row.Cells {
				switch {
				case x.Value != nil:
					cells = append(cells, strconv.FormatFloat(*x.Value, 'f', -1, 64))
				case x.Text == "–":
					cells = append(cells, "")
				default:
					cells = append(cells, x.Text)
				}
			}
			for i := range row.Keys {
				cells[i] = harmless(cells[i])
			}
			line(cells...)
		}
	}
	c.Flush()
	return c.Error()
}

// harmless keeps a spreadsheet from taking a name that somebody chose for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Text is for the terminal.
func Text(w io.Writer, r *Report) error {
	if _, err := fmt.Fprintf(w, "%s (%s)\n%s to %s\n", r.Title, r.Source, r.From.Format("2006-01-02 15:04"), r.To.Format("2006-01-02 15:04 MST")); err != nil {
		return err
	}
	for _, s := range r.Sections {
		_, _ = fmt.Fprintf(w, "\n%s\n", s.Title)
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		_, _ = fmt.Fprintf(t, "  %s\t%s\t\n", strings.ToUpper(strings.Join(s.Keys, "\t")), strings.ReplaceAll(strings.ToUpper(strings.Join(s.Columns, "\t")), "_", " "))
		for _, row := range s.Rows {
			_, _ = fmt.Fprintf(t, "  %s\t", strings.Join(row.Keys, "\t"))
			for _, c := range row.Cells {
				_, _ = fmt.Fprintf(t, "%s\t", c.Text)
			}
			_, _ = fmt.Fprintln(t)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if s.Note != "" {
			_, _ = fmt.Fprintf(w, "  %s\n", s.Note)
		}
	}
	return nil
}
