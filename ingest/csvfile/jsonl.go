package csvfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// kinds are those a line may be, as in the API's paths.
var kinds = map[string]bool{
	"calls": true, "agent-states": true, "customers": true, "complaints": true, "surveys": true, "leads": true,
	"schedules": true, "campaigns": true,
}

// JSONL reads one object of the contract a line. A line is of the reader's kind (calls unless said), unless it says
// itself: {"kind": "customers", "customer_id": ...}. Schedules, whose own field is called kind, go by the reader's.
type JSONL struct {
	opt   Options
	lines *rows.Lines
}

// NewJSONL reads the lines of r.
func NewJSONL(r io.Reader, opt Options) *JSONL {
	return &JSONL{opt: opt.defaults(), lines: rows.NewLines(r)}
}

// Read returns the next line.
func (j *JSONL) Read() (rows.Item, error) {
	for {
		p, err := j.lines.Next()
		if err != nil && !errors.Is(err, rows.ErrTooLong) {
			return rows.Item{}, err
		}
		if err == nil && strings.TrimSpace(p.Raw) == "" {
			continue
		}
		it := rows.Item{Pos: []rows.Pos{p}, Safe: p.End}
		if err == nil {
			var row rows.Row
			if row, err = j.row(p.Raw); err == nil {
				it.Rows = []rows.Row{row}
			}
		}
		if err != nil {
			it.Broken = err.Error()
		}
		return it, nil
	}
}

func (j *JSONL) row(s string) (rows.Row, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	var obj map[string]any
	if err := d.Decode(&obj); err != nil {
		return rows.Row{}, fmt.Errorf("not a JSON object: %w", err)
	}
	if obj == nil {
		return rows.Row{}, errors.New("not a JSON object: null")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return rows.Row{}, errors.New("more than one JSON value in a line")
	}
	opt := j.opt
	if k, ok := obj["kind"].(string); ok && kinds[k] {
		opt.Kind = k
		delete(obj, "kind")
	}
	return finish(opt, obj)
}
