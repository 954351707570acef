package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/kpi"
	"github.com/ringfence/ringfence/processors/score"
)

// scores answers GET /v1/scores?period=YYYY-MM (REQUIREMENTS G, H), with every input of every figure. It ranks the agents of
// the whole centre: a token confined to a partner does not get it (REP-04).
func (a *App) scores(w http.ResponseWriter, r *http.Request) {
	period := score.PeriodOf(time.Now().In(a.zone))
	if name := r.URL.Query().Get("period"); name != "" {
		var err error
		if period, err = score.ParsePeriod(name, a.zone); err != nil {
			httpapi.Problem(w, http.StatusUnprocessableEntity, "The period cannot be read", "period: "+err.Error())
			return
		}
	}
	book := score.DefaultBook()
	if a.cfg.Scores.File != "" {
		var err error
		if book, err = score.LoadBook(a.cfg.Scores.File); err != nil {
			httpapi.Problem(w, http.StatusConflict, "The scores' file cannot be used", err.Error())
			return
		}
	}
	rep, err := a.assess(r.Context(), book, period)
	if err != nil {
		w.Header().Set("Retry-After", "2")
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(rep)
}

func (a *App) assess(ctx context.Context, book *score.Book, p score.Period) (*score.Report, error) {
	agents, err := a.measured(ctx, p, "agent")
	if err != nil {
		return nil, err
	}
	teams, err := a.measured(ctx, p, "team")
	if err != nil {
		return nil, err
	}
	rep := score.Make(book, agents, teams)
	rep.Period, rep.From, rep.To = p.Name, p.From.Format(time.RFC3339), p.To.Format(time.RFC3339)
	return rep, nil
}

// measured collects what was counted by agent or by team: the catalogue's metrics, surveys and reviews at their call's
// time, and complaints at the time they were upheld (SCO-05).
func (a *App) measured(ctx context.Context, p score.Period, by string) (map[string]score.Measured, error) {
	out := map[string]score.Measured{}
	change := func(id string, f func(*score.Measured)) {
		if id == "" {
			return
		}
		m := out[id]
		f(&m)
		out[id] = m
	}
	ask := func(metric string, cut []string, each func(*score.Measured, float64)) error {
		res, err := kpi.Ask(ctx, a.conn, kpi.Query{Metrics: []string{metric}, From: p.From, To: p.To, By: cut, Zone: a.zone, Now: time.Now()})
		if err != nil {
			return err
		}
		for _, row := range res[0].Rows {
			if id := row.Keys[0].Value; id != nil && row.Value != nil {
				change(*id, func(m *score.Measured) { each(m, *row.Value) })
			}
		}
		return nil
	}
	for _, x := range []struct {
		metric string
		cut    []string
		each   func(*score.Measured, float64)
	}{
		{"successful_visits", []string{by}, func(m *score.Measured, v float64) { m.Visits = v }},
		{"successful_orders", []string{by}, func(m *score.Measured, v float64) { m.Orders = v }},
		{"productivity_hours", []string{by, "day"}, func(m *score.Measured, v float64) {
			if v > 0 {
				m.ProductionDays++
			}
		}},
	} {
		if err := ask(x.metric, x.cut, x.each); err != nil {
			return nil, err
		}
	}
	column := by + "_id"
	inPeriod := fmt.Sprintf("%%s >= fromUnixTimestamp64Milli(%d) AND %%[1]s < fromUnixTimestamp64Milli(%d)", p.From.UnixMilli(), p.To.UnixMilli())
	// SCO-01: of several answers about one call the last stands; an invalid one is no reply.
	err := a.each(ctx, `SELECT `+column+`, toInt64(countIf(s.score IN ('satisfied', 'very_satisfied'))), toInt64(countIf(s.score != 'invalid')), argMax(team_id, started_at) FROM calls AS c FINAL
		ANY LEFT JOIN (SELECT call_id, argMax(score, (at, arrival)) AS score FROM surveys FINAL GROUP BY call_id) AS s ON c.call_id = s.call_id
		WHERE direction = 'outbound' AND s.score != '' AND `+fmt.Sprintf(inPeriod, "started_at")+` GROUP BY 1`,
		func(scan func(...any) error) error {
			var id, team string
			var good, all int64
			err := scan(&id, &good, &all, &team)
			change(id, func(m *score.Measured) { m.Satisfied, m.Replies = good, all })
			return err
		})
	if err != nil {
		return nil, err
	}
	if by == "agent" {
		err = a.each(ctx, `SELECT agent_id, argMax(team_id, started_at) FROM calls FINAL WHERE agent_id != '' AND team_id != '' AND `+fmt.Sprintf(inPeriod, "started_at")+` GROUP BY 1`,
			func(scan func(...any) error) error {
				var id, team string
				err := scan(&id, &team)
				change(id, func(m *score.Measured) { m.Team = team })
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	err = a.each(ctx, `SELECT `+column+`, if(startsWith(rater_role, 'leader'), 'leader', 'inspector') AS role, avg(score) FROM qa_reviews FINAL
		WHERE isNotNull(published_at) AND NOT void AND rater_role NOT IN ('calibration', 'supervising') AND `+fmt.Sprintf(inPeriod, "call_started_at")+` GROUP BY 1, 2`,
		func(scan func(...any) error) error {
			var id, role string
			var mean float64
			err := scan(&id, &role, &mean)
			change(id, func(m *score.Measured) {
				if role == "leader" {
					m.QALeader = &mean
				} else {
					m.QAInspector = &mean
				}
			})
			return err
		})
	if err != nil {
		return nil, err
	}
	err = a.each(ctx, `SELECT id, toInt64(count()) FROM (SELECT complaint_id, argMax(`+column+`, revision) AS id, argMax(unattributed, revision) AS lost,
		argMaxIf(event, (at, revision), event IN ('upheld', 'rejected')) AS verdict, maxIf(at, event = 'upheld') AS upheld_at FROM complaints FINAL GROUP BY complaint_id)
		WHERE verdict = 'upheld' AND NOT lost AND `+fmt.Sprintf(inPeriod, "upheld_at")+` GROUP BY 1`,
		func(scan func(...any) error) error {
			var id string
			var n int64
			err := scan(&id, &n)
			change(id, func(m *score.Measured) { m.JustifiedComplaints = n })
			return err
		})
	return out, err
}

// each runs a query and hands on its rows.
func (a *App) each(ctx context.Context, q string, row func(scan func(...any) error) error) error {
	rows, err := a.conn.Query(ctx, q)
	if err != nil {
		return fmt.Errorf("ask ClickHouse: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return fmt.Errorf("read ClickHouse's answer: %w", err)
		}
	}
	return rows.Err()
}
