package freeswitch

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// XML reads records of mod_xml_cdr: one <cdr> a file, or several.
type XML struct {
	opt   Options
	r     io.Reader
	items []rows.Item
	read  bool
}

// NewXML reads the records of r.
func NewXML(r io.Reader, opt Options) *XML { return &XML{opt: opt, r: r} }

// Read returns the next record.
func (x *XML) Read() (rows.Item, error) {
	if !x.read {
		x.read = true
		b, err := all(x.r)
		if err != nil {
			return rows.Item{}, err
		}
		x.items = x.split(b)
	}
	if len(x.items) == 0 {
		return rows.Item{}, io.EOF
	}
	it := x.items[0]
	x.items = x.items[1:]
	return it, nil
}

// split cuts at each <cdr, so that a broken record costs itself alone.
func (x *XML) split(b []byte) []rows.Item {
	var out []rows.Item
	from := bytes.Index(b, []byte("<cdr"))
	if from < 0 {
		if len(bytes.TrimSpace(b)) > 0 {
			p := rows.Pos{Line: 1, End: int64(len(b)), Raw: string(b[:min(len(b), 64<<10)])}
			out = append(out, rows.Item{Pos: []rows.Pos{p}, Safe: p.End, Broken: "there is no <cdr> element"})
		}
		return out
	}
	line, counted := 1, 0
	for from < len(b) {
		to := len(b)
		if i := bytes.Index(b[from+4:], []byte("<cdr")); i >= 0 {
			to = from + 4 + i
		}
		line += bytes.Count(b[counted:from], []byte{'\n'})
		counted = from
		p := rows.Pos{Line: line, Start: int64(from), End: int64(to), Raw: string(b[from:min(to, from+64<<10)])}
		it := rows.Item{Pos: []rows.Pos{p}, Safe: int64(to)}
		r, err := x.record(b[from:to])
		if err != nil {
			it.Broken = err.Error()
		} else {
			it.Rows = []rows.Row{r}
		}
		out = append(out, it)
		from = to
	}
	return out
}

// record reads one <cdr>. Names may carry a prefix no namespace is declared for, and may repeat: the first holds.
func (x *XML) record(b []byte) (rows.Row, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	vars, flow := map[string]string{}, map[string]string{}
	var path []string
	var text []byte
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return rows.Row{}, errors.New("the record is cut off")
		}
		if err != nil {
			return rows.Row{}, fmt.Errorf("not XML: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			path, text = append(path, t.Name.Local), text[:0]
		case xml.CharData:
			text = append(text, t...)
		case xml.EndElement:
			if len(path) == 0 || path[len(path)-1] != t.Name.Local {
				return rows.Row{}, fmt.Errorf("not XML: </%s> closes nothing", t.Name.Local)
			}
			name, s := path[len(path)-1], plain(string(bytes.TrimSpace(text)))
			path, text = path[:len(path)-1], text[:0]
			if len(path) == 0 {
				return row(vars, flow, x.opt)
			}
			switch parent := path[len(path)-1]; {
			case parent == "variables" && vars[name] == "":
				vars[name] = s
			case parent == "channel_data" && name == "direction" && vars["direction"] == "":
				vars["direction"] = s
			case (parent == "times" || parent == "caller_profile") && len(path) <= 4 && s != "0" && flow[name] == "":
				flow[name] = s
			}
		}
	}
}
