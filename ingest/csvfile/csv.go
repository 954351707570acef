package csvfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// Options of both readers.
type Options struct {
	Kind     string         // "" = the mapping's, else calls
	Zone     *time.Location // of times without an offset; nil = UTC
	Mapping  *rows.Mapping  // nil = the header's names are the contract's
	Purpose  string         // of rows that name none
	Campaign string
}

func (o Options) defaults() Options {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Kind == "" && o.Mapping != nil {
		o.Kind = o.Mapping.Kind
	}
	if o.Kind == "" {
		o.Kind = rows.Calls
	}
	return o
}

// maxJoin is how many lines a quoted field may span.
const maxJoin = 16

// CSV reads a table.
type CSV struct {
	opt     Options
	lines   *rows.Lines
	names   []string
	layout  string
	comma   rune
	pending []held
	fatal   error
}

type held struct {
	pos rows.Pos
	err error
}

// NewCSV reads the table in r.
func NewCSV(r io.Reader, opt Options) *CSV {
	c := &CSV{opt: opt.defaults(), lines: rows.NewLines(r), comma: ','}
	if m := opt.Mapping; m != nil {
		c.comma = []rune(m.Delimiter)[0]
		c.names, c.layout = m.Names, m.Time.Layout
		if m.Time.Zone != "" {
			if z, err := time.LoadLocation(m.Time.Zone); err == nil {
				c.opt.Zone = z
			}
		}
		if len(m.Names) > 0 {
			c.fatal = m.Check(m.Names)
		}
	}
	return c
}

func (c *CSV) next() (rows.Pos, error) {
	if len(c.pending) > 0 {
		h := c.pending[0]
		c.pending = c.pending[1:]
		return h.pos, h.err
	}
	return c.lines.Next()
}

// Read returns the next row.
func (c *CSV) Read() (rows.Item, error) {
	for {
		if c.fatal != nil {
			return rows.Item{}, c.fatal
		}
		p, err := c.next()
		if err != nil && !errors.Is(err, rows.ErrTooLong) {
			return rows.Item{}, err
		}
		if err == nil && strings.TrimSpace(p.Raw) == "" {
			continue
		}
		var f []string
		if err == nil {
			p, f, err = c.record(p)
		}
		if err == nil && c.names == nil {
			if c.opt.Mapping != nil && c.opt.Mapping.Header != nil && !*c.opt.Mapping.Header {
				c.names = make([]string, len(f)) // columns by position
			} else {
				c.names = f
				for i := range f {
					f[i] = strings.TrimSpace(f[i])
				}
			}
			if m := c.opt.Mapping; m != nil {
				c.fatal = m.Check(c.names)
			}
			if m := c.opt.Mapping; m == nil || m.Header == nil || *m.Header {
				continue
			}
			if c.fatal != nil {
				continue
			}
		} else if err == nil && p.Start == 0 && c.opt.Mapping != nil && c.opt.Mapping.Header != nil && *c.opt.Mapping.Header {
			continue // names were given and there is a header all the same
		}
		it := rows.Item{Pos: []rows.Pos{p}, Safe: p.End}
		if err == nil {
			var row rows.Row
			if row, err = c.row(f); err == nil {
				it.Rows = []rows.Row{row}
			}
		}
		if err != nil {
			it.Broken = err.Error()
		}
		return it, nil
	}
}

// record splits a line; a quoted field that is open at its end may go on in the next ones, if that makes a whole row.
func (c *CSV) record(p rows.Pos) (rows.Pos, []string, error) {
	f, err := rows.SplitCSV(p.Raw, c.comma)
	if err == nil || !errors.Is(err, rows.ErrQuoteOpen) {
		return p, f, err
	}
	joined, ahead := p, []held(nil)
	for len(ahead) < maxJoin {
		q, nextErr := c.next()
		ahead = append(ahead, held{q, nextErr})
		if nextErr != nil {
			break
		}
		joined.Raw += "\n" + q.Raw
		joined.End, joined.Cut = q.End, q.Cut
		g, splitErr := rows.SplitCSV(joined.Raw, c.comma)
		if splitErr == nil {
			if c.names != nil && len(g) == len(c.names) {
				return joined, g, nil
			}
			break
		}
		if !errors.Is(splitErr, rows.ErrQuoteOpen) {
			break
		}
	}
	c.pending = append(ahead, c.pending...)
	return p, nil, err
}

func (c *CSV) row(values []string) (rows.Row, error) {
	if len(values) != len(c.names) {
		return rows.Row{}, fmt.Errorf("has %d columns, expected %d", len(values), len(c.names))
	}
	var fields map[string]string
	if c.opt.Mapping != nil && len(c.opt.Mapping.Columns) > 0 {
		var err error
		if fields, err = c.opt.Mapping.Fields(c.names, values); err != nil {
			return rows.Row{}, err
		}
	} else {
		fields = map[string]string{}
		if c.opt.Mapping != nil {
			for k, v := range c.opt.Mapping.Constants {
				fields[k] = fmt.Sprint(v)
			}
		}
		for i, n := range c.names {
			if v := strings.TrimSpace(values[i]); v != "" && n != "" {
				fields[n] = v
			}
		}
	}
	obj := map[string]any{}
	for k, v := range fields {
		x, err := rows.Value(k, v, c.layout, c.opt.Zone)
		if err != nil {
			return rows.Row{}, err
		}
		if sub, ok := strings.CutPrefix(k, "recording_"); ok {
			rec, _ := obj["recording"].(map[string]any)
			if rec == nil {
				rec = map[string]any{}
				obj["recording"] = rec
			}
			if sub == "size_bytes" {
				x = json.Number(v)
			}
			rec[sub] = x
			continue
		}
		obj[k] = x
	}
	return finish(c.opt, obj)
}

// finish adds what the command line says and encodes the object.
func finish(opt Options, obj map[string]any) (rows.Row, error) {
	if opt.Kind == rows.Calls {
		_, start := obj["started_at"]
		if _, ok := obj["purpose"]; !ok && opt.Purpose != "" && start {
			obj["purpose"] = opt.Purpose
		}
		if _, ok := obj["campaign_id"]; !ok && opt.Campaign != "" {
			obj["campaign_id"] = opt.Campaign
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(obj); err != nil {
		return rows.Row{}, fmt.Errorf("encode the row: %w", err)
	}
	return rows.Row{Kind: opt.Kind, JSON: bytes.TrimSpace(b.Bytes())}, nil
}
