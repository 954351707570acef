package kpi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Query is one question (CONTRACT.md section 5).
type Query struct {
	Metrics  []string
	From, To time.Time // half-open
	By       []string
	Where    []Filter
	Zone     *time.Location // the reporting zone
	Now      time.Time      // up to which open states count; zero = the clock's
	Facts    bool           // leave the roll-ups alone
}

// Result is the answer for one metric.
type Result struct {
	Metric string    `json:"metric"`
	ID     string    `json:"id"`
	Unit   string    `json:"unit"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Rows   []Row     `json:"rows"`
}

// Key is a row's value in one dimension; nil for events without one.
type Key struct {
	Dim   string
	Value *string
}

// Row of an answer. Value is nil when the denominator is 0; counts have no numerator and denominator.
type Row struct {
	Keys        []Key
	Value       *float64
	Numerator   *float64
	Denominator *float64
}

// MarshalJSON writes the dimensions under their own names.
func (r Row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(name string, v any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		x, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.WriteString(strconv.Quote(name))
		b.WriteByte(':')
		b.Write(x)
		return nil
	}
	for _, k := range r.Keys {
		if err := member(k.Dim, k.Value); err != nil {
			return nil, err
		}
	}
	if err := member("value", r.Value); err != nil {
		return nil, err
	}
	if r.Denominator != nil {
		if err := member("numerator", r.Numerator); err != nil {
			return nil, err
		}
		if err := member("denominator", r.Denominator); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// check says what is wrong with the question before ClickHouse is asked.
func (q Query) check() ([]Metric, error) {
	ms, err := q.metrics()
	if err != nil {
		return nil, err
	}
	if !q.From.Before(q.To) {
		return nil, &Error{Param: "to", Detail: fmt.Sprintf("%s is not after from, %s", q.To.Format(time.RFC3339), q.From.Format(time.RFC3339))}
	}
	return ms, nil
}

func instant(t time.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", t.UnixMilli())
}

// Ask answers the question from ClickHouse. A question that cannot be answered as asked is an *Error.
func Ask(ctx context.Context, conn driver.Conn, q Query) ([]Result, error) {
	ms, err := q.check()
	if err != nil {
		return nil, err
	}
	now := q.Now
	if now.IsZero() {
		now = time.Now()
	}
	var found *tiers
	if !q.Facts {
		if found, err = tiersOf(ctx, conn, sourcesOf(ms), q.From, q.To, q.Zone); err != nil {
			return nil, err
		}
	}
	p := compile(ms, scope{tiers: found, from: instant(q.From), to: instant(q.To), now: instant(now), zone: q.Zone.String(), by: q.By, where: q.Where, factsOnly: q.Facts})
	rows, err := conn.Query(ctx, p.sql+AsItIs)
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse for %v: %w", q.Metrics, err)
	}
	defer func() { _ = rows.Close() }()
	out := make([]Result, len(ms))
	for i, m := range ms {
		out[i] = Result{Metric: m.Name, ID: m.ID, Unit: m.Unit, From: q.From.In(q.Zone), To: q.To.In(q.Zone), Rows: []Row{}}
	}
	keys, seen, cells := make([]*string, len(q.By)), make([]uint64, len(p.sources)), make([]float64, len(p.cells))
	into := make([]any, 0, len(keys)+len(seen)+len(cells))
	for i := range keys {
		into = append(into, &keys[i])
	}
	for i := range seen {
		into = append(into, &seen[i])
	}
	for i := range cells {
		into = append(into, &cells[i])
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read the answer for %v: %w", q.Metrics, err)
		}
		for i, m := range ms {
			if len(q.By) > 0 && !p.occurs(m, seen) {
				continue
			}
			r := p.row(m, cells)
			for j, d := range q.By {
				r.Keys = append(r.Keys, Key{d, label(d, keys[j], q.Zone)})
			}
			out[i].Rows = append(out[i].Rows, r)
		}
	}
	return out, rows.Err()
}

// occurs tells whether either half of the metric has facts in this row.
func (p *plan) occurs(m Metric, seen []uint64) bool {
	for i, s := range p.sources {
		if seen[i] > 0 && (s == m.Num.Source || m.Den != nil && s == m.Den.Source) {
			return true
		}
	}
	return false
}

func (p *plan) row(m Metric, cells []float64) Row {
	n := cells[p.cell(m.Num)]
	if m.Den == nil {
		return Row{Value: &n}
	}
	d := cells[p.cell(*m.Den)]
	r := Row{Numerator: &n, Denominator: &d}
	if d != 0 {
		v := n / d
		r.Value = &v
	}
	return r
}

// label is a key as METRICS.md spells it.
func label(dim string, key *string, zone *time.Location) *string {
	if dim != "hour" || key == nil {
		if key == nil {
			return nil
		}
		s := *key
		return &s
	}
	sec, err := strconv.ParseInt(*key, 10, 64)
	if err != nil {
		return key
	}
	s := time.Unix(sec, 0).In(zone).Format(time.RFC3339)
	return &s
}
