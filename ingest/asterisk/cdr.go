package asterisk

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// Columns are those of cdr_csv; older configurations end after 16, 17, 18 or more of them.
var columns = [...]string{
	"accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start", "answer",
	"end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield", "peeraccount", "linkedid", "sequence",
}

const minColumns = 16

// Options of both readers.
type Options struct {
	Zone     *time.Location // of times without an offset; nil = UTC
	Purpose  string
	Campaign string           // overrides the accountcode
	Mapping  *rows.Mapping    // may name the columns and where fields of the contract come from
	Calls    map[string]Known // for queue_log: the calls of the CDRs by unique id
}

type record struct {
	field              map[string]string
	pos                rows.Pos
	start, answer, end time.Time
	billsec            int64
	sequence           int64
}

func (r *record) get(name string) string { return r.field[name] }

// leg tells the half of a Local channel: 1, 2, or 0 for any other channel.
func leg(channel string) int {
	switch {
	case !strings.HasPrefix(channel, "Local/"):
		return 0
	case strings.HasSuffix(channel, ";1"):
		return 1
	case strings.HasSuffix(channel, ";2"):
		return 2
	}
	return 0
}

type group struct {
	id   string
	rows []*record
	end  time.Time
}

// CDR reads Master.csv.
type CDR struct {
	opt    Options
	lines  *rows.Lines
	header []string
	open   map[string]*list.Element
	order  *list.List // of *group, by their first row
	latest time.Time
	ready  []rows.Item
	eof    bool
	off    int64
	width  int // columns of the row before

	onGroup func(*group, rows.Call)
}

// settle is how long after a call's last row no further one is expected.
const settle = time.Hour

// NewCDR reads the CDRs of r.
func NewCDR(r io.Reader, opt Options) *CDR {
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	c := &CDR{opt: opt, lines: rows.NewLines(r), open: map[string]*list.Element{}, order: list.New()}
	if opt.Mapping != nil {
		c.header = opt.Mapping.Names
	}
	return c
}

// Read returns the next call, skipped row or broken row.
func (c *CDR) Read() (rows.Item, error) {
	for len(c.ready) == 0 {
		if c.eof {
			return rows.Item{}, io.EOF
		}
		if err := c.step(); err != nil {
			return rows.Item{}, err
		}
	}
	it := c.ready[0]
	c.ready = c.ready[1:]
	it.Safe = c.safe()
	if len(c.ready) > 0 {
		it.Safe = min(it.Safe, c.ready[0].Pos[0].Start)
		for _, r := range c.ready {
			it.Safe = min(it.Safe, r.Pos[0].Start)
		}
	}
	return it, nil
}

func (c *CDR) safe() int64 {
	if f := c.order.Front(); f != nil {
		return f.Value.(*group).rows[0].pos.Start
	}
	return c.off
}

func (c *CDR) step() error {
	p, err := c.lines.Next()
	switch {
	case errors.Is(err, io.EOF):
		c.eof = true
		for c.order.Len() > 0 {
			c.emit(c.order.Front())
		}
		return nil
	case errors.Is(err, rows.ErrTooLong):
	case err != nil:
		return fmt.Errorf("read line %d: %w", p.Line, err)
	}
	c.off = p.End
	if err == nil && strings.TrimSpace(p.Raw) == "" {
		return nil
	}
	var rec *record
	if err == nil {
		rec, err = c.parse(p)
	}
	if err != nil {
		c.ready = append(c.ready, rows.Item{Pos: []rows.Pos{p}, Broken: err.Error()})
		return nil
	}
	if rec == nil { // the header
		return nil
	}
	if strings.HasPrefix(rec.get("channel"), "OutgoingSpoolFailed") {
		c.ready = append(c.ready, rows.Item{Pos: []rows.Pos{p}})
		return nil
	}
	c.add(rec)
	return nil
}

func (c *CDR) add(rec *record) {
	id := rec.get("linkedid")
	if id == "" {
		id = rec.get("uniqueid")
	}
	if id == "" { // cdr_csv without loguniqueid: the row is all there is
		id = strings.Join([]string{rec.get("start"), rec.get("src"), rec.get("dst"), rec.get("channel")}, "|")
	}
	el := c.open[id]
	if el == nil {
		el = c.order.PushBack(&group{id: id})
		c.open[id] = el
	}
	g := el.Value.(*group)
	g.rows = append(g.rows, rec)
	if rec.end.After(g.end) {
		g.end = rec.end
	}
	if rec.end.After(c.latest) {
		c.latest = rec.end
	}
	for f := c.order.Front(); f != nil && c.latest.Sub(f.Value.(*group).end) > settle; f = c.order.Front() {
		c.emit(f)
	}
}

func (c *CDR) emit(el *list.Element) {
	g := c.order.Remove(el).(*group)
	delete(c.open, g.id)
	it := rows.Item{}
	for _, r := range g.rows {
		it.Pos = append(it.Pos, r.pos)
	}
	call, own, err := join(g, c.opt)
	var row rows.Row
	if err == nil {
		row, err = rows.NewCall(call, own)
	}
	if c.onGroup != nil && err == nil {
		c.onGroup(g, call)
	}
	if err != nil {
		it.Broken = err.Error()
	} else {
		it.Rows = []rows.Row{row}
	}
	c.ready = append(c.ready, it)
}

// parse reads one row; nil without an error is a header.
func (c *CDR) parse(p rows.Pos) (*record, error) {
	f, err := rows.SplitCSV(p.Raw, ',')
	if err != nil {
		return nil, err
	}
	if p.Line == 1 && c.header == nil && isHeader(f) {
		for _, n := range f {
			c.header = append(c.header, strings.ToLower(strings.TrimSpace(n)))
		}
		return nil, nil
	}
	names := c.header
	if names == nil {
		if len(f) < minColumns || len(f) > len(columns) {
			return nil, fmt.Errorf("has %d columns, expected %d to %d (another layout needs --map with names)", len(f), minColumns, len(columns))
		}
		if p.Cut && c.width != 0 && len(f) != c.width {
			return nil, fmt.Errorf("has %d columns, the row before %d: it is cut off", len(f), c.width)
		}
		c.width = len(f)
		names = columns[:len(f)]
	} else if len(f) != len(names) {
		return nil, fmt.Errorf("has %d columns, expected %d", len(f), len(names))
	}
	rec := &record{field: make(map[string]string, len(f)), pos: p}
	for i, n := range names {
		rec.field[n] = f[i]
	}
	for _, t := range []struct {
		name string
		into *time.Time
	}{{"start", &rec.start}, {"answer", &rec.answer}, {"end", &rec.end}} {
		if *t.into, err = parseTime(rec.get(t.name), c.opt.Zone); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if rec.start.IsZero() || rec.end.IsZero() {
		return nil, errors.New("start or end is empty")
	}
	if rec.end.Before(rec.start) {
		return nil, errors.New("end is before start")
	}
	for _, n := range []struct {
		name string
		into *int64
	}{{"billsec", &rec.billsec}, {"sequence", &rec.sequence}} {
		v := rec.get(n.name)
		if v == "" {
			if n.name == "sequence" && has(names, n.name) {
				return nil, errors.New("sequence is empty")
			}
			continue
		}
		x, err := strconv.ParseFloat(v, 64)
		if err != nil || x < 0 || x > 1e15 {
			return nil, fmt.Errorf("%s is no number: %q", n.name, v)
		}
		*n.into = int64(x)
	}
	if !dispositions[strings.ToUpper(rec.get("disposition"))] {
		return nil, fmt.Errorf("unknown disposition %q", rec.get("disposition"))
	}
	return rec, nil
}

var dispositions = map[string]bool{"ANSWERED": true, "NO ANSWER": true, "BUSY": true, "FAILED": true, "CONGESTION": true}

func has(names []string, n string) bool { return slices.Contains(names, n) }

func isHeader(f []string) bool {
	n := 0
	for _, x := range f {
		switch strings.ToLower(strings.TrimSpace(x)) {
		case "uniqueid", "channel", "disposition", "start", "end":
			n++
		}
	}
	return n >= 3
}

func parseTime(s string, zone *time.Location) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, zone)
	if err != nil {
		return t, fmt.Errorf("%q is no time like 2006-01-02 15:04:05", s)
	}
	return t, nil
}
