package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ringfence/ringfence/processors/sampling"
)

// key reads a day's key as it was published and, once the day is closed, revealed.
func (a *App) dayKey(ctx context.Context, day string) (k sampling.Published, err error) {
	err = a.conn.QueryRow(ctx, "SELECT any(key_sha256), max(key) FROM sampling_keys FINAL WHERE day = toDate(?)", day).Scan(&k.SHA256, &k.Key)
	if err != nil {
		return k, fmt.Errorf("read the key of %s: %w", day, err)
	}
	return k, nil
}

// otherDraws redoes what ends with a day beside its daily draw: its extra checks and replacements, the week's and the
// period's draw.
func (a *App) otherDraws(ctx context.Context, name string, key sampling.Published) ([]*sampling.Redone, error) {
	var out []*sampling.Redone
	add := func(d *sampling.Redone, err error) error {
		if err == nil && (d.Population > 0 || !d.OK) {
			out = append(out, d)
		}
		return err
	}
	if n := a.cfg.Sampling.ExtraOneIn; n > 0 {
		numbers, err := a.numbers(ctx, "extra_seq, call_id, toUInt8(0), has(drawn, 'extra') FROM sampling_population FINAL WHERE extra_seq > 0 AND day = toDate(?)", name)
		if err != nil {
			return nil, err
		}
		if err := add(sampling.Redo("extra", name, key, int64(n), numbers)); err != nil {
			return nil, err
		}
	}
	if err := add(a.replacements(ctx, name, key)); err != nil {
		return nil, err
	}
	if n := a.cfg.Sampling.WeeklyOneIn; n > 0 && sampling.WeekEnd(name) == name {
		numbers, err := a.numbers(ctx, "week_seq, call_id, toUInt8(week_late), has(drawn, 'weekly') FROM sampling_population FINAL WHERE week_seq > 0 AND week = toDate(?)", name)
		if err != nil {
			return nil, err
		}
		if err := add(sampling.Redo("weekly", name, key, int64(n), numbers)); err != nil {
			return nil, err
		}
	}
	if period, end := sampling.Period(name); end == name && a.cfg.Sampling.PerPeriod {
		if err := add(a.period(ctx, period, end, key)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// numbers reads numbered recordings; what follows the agent in the query is given.
func (a *App) numbers(ctx context.Context, query, scope string) ([]sampling.Number, error) {
	rows, err := a.conn.Query(ctx, "SELECT agent_id, toInt64("+strings.Replace(query, ",", "),", 1), scope)
	if err != nil {
		return nil, fmt.Errorf("read the population: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []sampling.Number
	for rows.Next() {
		var n sampling.Number
		var late, drawn uint8
		if err := rows.Scan(&n.Agent, &n.Seq, &n.CallID, &late, &drawn); err != nil {
			return nil, fmt.Errorf("read the population: %w", err)
		}
		n.Late, n.Drawn = late == 1, drawn == 1
		out = append(out, n)
	}
	return out, rows.Err()
}

func (a *App) replacements(ctx context.Context, day string, key sampling.Published) (*sampling.Redone, error) {
	rows, err := a.conn.Query(ctx, "SELECT agent_id, task_id, problem, toInt64(seq), toInt64(replaced_by), toInt64(population), toInt64(nth) FROM sampling_replacements FINAL WHERE day = toDate(?)", day)
	if err != nil {
		return nil, fmt.Errorf("read the replacements: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var replaced []sampling.Replaced
	for rows.Next() {
		var r sampling.Replaced
		if err := rows.Scan(&r.Agent, &r.TaskID, &r.Problem, &r.Seq, &r.By, &r.Population, &r.Nth); err != nil {
			return nil, fmt.Errorf("read the replacements: %w", err)
		}
		replaced = append(replaced, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the replacements: %w", err)
	}
	marked, err := a.conn.Query(ctx, "SELECT agent_id, toInt64(seq), drawn FROM sampling_population FINAL WHERE day = toDate(?) AND notEmpty(drawn)", day)
	if err != nil {
		return nil, fmt.Errorf("read the population: %w", err)
	}
	defer func() { _ = marked.Close() }()
	marks := map[string]map[int64][]string{}
	for marked.Next() {
		var agent string
		var seq int64
		var by []string
		if err := marked.Scan(&agent, &seq, &by); err != nil {
			return nil, fmt.Errorf("read the population: %w", err)
		}
		if marks[agent] == nil {
			marks[agent] = map[int64][]string{}
		}
		marks[agent][seq] = by
	}
	if err := marked.Err(); err != nil {
		return nil, fmt.Errorf("read the population: %w", err)
	}
	return sampling.RedoReplacements(day, key, replaced, marks)
}

func (a *App) period(ctx context.Context, period, end string, key sampling.Published) (*sampling.Redone, error) {
	rows, err := a.conn.Query(ctx, `SELECT agent_id, call_id, toString(day), campaign_id, toInt64(seq), toInt64(slice), has(drawn, 'period')
		FROM sampling_population FINAL WHERE period = ?`, period)
	if err != nil {
		return nil, fmt.Errorf("read the period: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var candidates []sampling.Candidate
	for rows.Next() {
		var c sampling.Candidate
		var slice int64
		var drawn uint8
		if err := rows.Scan(&c.Agent, &c.CallID, &c.Day, &c.Campaign, &c.Seq, &slice, &drawn); err != nil {
			return nil, fmt.Errorf("read the period: %w", err)
		}
		c.Slice, c.Drawn = int(slice), drawn == 1
		candidates = append(candidates, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the period: %w", err)
	}
	exempt := map[string]bool{}
	granted, err := a.conn.Query(ctx, "SELECT DISTINCT agent_id FROM qa_task_events FINAL WHERE kind = 'exempted' AND detail LIKE concat(?, '%')", period)
	if err != nil {
		return nil, fmt.Errorf("read the exemptions: %w", err)
	}
	defer func() { _ = granted.Close() }()
	for granted.Next() {
		var agent string
		if err := granted.Scan(&agent); err != nil {
			return nil, fmt.Errorf("read the exemptions: %w", err)
		}
		exempt[agent] = true
	}
	told, err := a.conn.Query(ctx, `SELECT agent_id, toInt64(slice), toInt64(required), call_ids, for_roles, order_of_campaigns, reason, toInt64(nth) FROM sampling_quotas FINAL
		WHERE draw = 'period' AND scope = ?`, period)
	if err != nil {
		return nil, fmt.Errorf("read the quotas: %w", err)
	}
	defer func() { _ = told.Close() }()
	var quotas []sampling.Quota
	for told.Next() {
		q := sampling.Quota{Known: true}
		var slice, required, nth int64
		if err := told.Scan(&q.Agent, &slice, &required, &q.Calls, &q.Roles, &q.Campaigns, &q.Reason, &nth); err != nil {
			return nil, fmt.Errorf("read the quotas: %w", err)
		}
		q.Slice, q.Required, q.Nth, q.ExemptionOnRecord = int(slice), int(required), int(nth), exempt[q.Agent]
		quotas = append(quotas, q)
	}
	if err := told.Err(); err != nil {
		return nil, fmt.Errorf("read the quotas: %w", err)
	}
	return sampling.RedoPeriod(period, end, key, candidates, quotas)
}

// Everything is what `sampling verify --all` tells.
type Everything struct {
	Days       int                `json:"days"` // that are closed
	Open       []string           `json:"open"` // days that have recordings and are not closed yet
	Population int                `json:"population"`
	Required   int                `json:"required"`
	Drawn      int                `json:"drawn"`
	Draws      map[string]int     `json:"draws"` // other draws that were done again, by kind
	Shortfalls []string           `json:"shortfalls"`
	Wrong      []*sampling.Report `json:"wrong"` // days that are not as they had to be
	OK         bool               `json:"ok"`
}

// verifyAll redoes every draw of every day that is closed.
func (a *App) verifyAll(ctx context.Context) (*Everything, error) {
	rows, err := a.conn.Query(ctx, `SELECT toString(day), max(closed) FROM (SELECT day, key != '' AS closed FROM sampling_keys FINAL UNION ALL SELECT DISTINCT day, 0 FROM sampling_population) GROUP BY day
		HAVING max(closed) OR day IN (SELECT day FROM sampling_population) ORDER BY day`)
	if err != nil {
		return nil, fmt.Errorf("read the days: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var days []string
	e := &Everything{Open: []string{}, Draws: map[string]int{}, Shortfalls: []string{}, Wrong: []*sampling.Report{}, OK: true}
	for rows.Next() {
		var day string
		var closed uint8
		if err := rows.Scan(&day, &closed); err != nil {
			return nil, fmt.Errorf("read the days: %w", err)
		}
		if closed == 0 {
			e.Open = append(e.Open, day)
			continue
		}
		days = append(days, day)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the days: %w", err)
	}
	for _, day := range days {
		d, err := time.ParseInLocation(time.DateOnly, day, a.zone)
		if err != nil {
			return nil, err
		}
		r, err := a.verifyDay(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", day, err)
		}
		e.Days, e.Population, e.Required, e.Drawn = e.Days+1, e.Population+r.Population, e.Required+r.Required, e.Drawn+r.Drawn
		for _, x := range r.Draws {
			e.Draws[x.Draw]++
			e.Shortfalls = append(e.Shortfalls, x.Shortfalls...)
		}
		if !r.OK {
			e.OK = false
			e.Wrong = append(e.Wrong, r)
		}
	}
	return e, nil
}
