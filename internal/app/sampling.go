package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/processors/sampling"
)

func (a *App) samplingOptions(secret []byte) sampling.Options {
	c := a.cfg.Sampling
	return sampling.Options{Secret: secret, Zone: a.zone, OneIn: int64(c.OneIn), Grace: c.Grace.D(), Quiet: c.Quiet.D(), Sales: c.Valid == "sale", WeeklyOneIn: int64(c.WeeklyOneIn),
		ExtraOneIn: int64(c.ExtraOneIn), ExtraUntil: int64(c.ExtraUntil), PerPeriod: c.PerPeriod, Difficulty: c.Difficulty, Exempt: c.Exempt}
}

// samplingVerify answers GET /v1/sampling/verify?day=YYYY-MM-DD: the draw redone from what ClickHouse holds.
func (a *App) samplingVerify(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("day") == "all" {
		e, err := a.verifyAll(r.Context())
		if err != nil {
			httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(e)
		return
	}
	day, err := time.ParseInLocation(time.DateOnly, r.URL.Query().Get("day"), a.zone)
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The day cannot be read", fmt.Sprintf("day: %q: expected a date such as 2026-11-24", r.URL.Query().Get("day")))
		return
	}
	report, err := a.verifyDay(r.Context(), day)
	switch {
	case errors.Is(err, sampling.ErrOpen):
		httpapi.Problem(w, http.StatusConflict, "Not closed yet", err.Error())
	case err != nil:
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(report)
	}
}

func (a *App) verifyDay(ctx context.Context, day time.Time) (*sampling.Report, error) {
	name := day.Format(time.DateOnly)
	key, err := a.dayKey(ctx, name)
	if err != nil {
		return nil, err
	}
	rows, err := a.conn.Query(ctx, "SELECT agent_id, toInt64(seq), call_id, late, has(drawn, 'daily') FROM sampling_population FINAL WHERE day = toDate(?)", name)
	if err != nil {
		return nil, fmt.Errorf("read the population: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var population []sampling.Numbered
	for rows.Next() {
		var n sampling.Numbered
		var drawn uint8
		if err := rows.Scan(&n.Agent, &n.Seq, &n.CallID, &n.Late, &drawn); err != nil {
			return nil, fmt.Errorf("read the population: %w", err)
		}
		n.Daily = drawn == 1
		population = append(population, n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the population: %w", err)
	}
	var valid []string
	sales := ""
	if a.cfg.Sampling.Valid == "sale" {
		sales = " AND (notEmpty(ordered) OR disposition = 'agree')"
	}
	next := time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, a.zone)
	err = a.conn.QueryRow(ctx, `SELECT groupArray(call_id) FROM calls FINAL WHERE direction = 'outbound' AND isNotNull(answered_at) AND agent_id != '' AND isNotNull(bridged_at) AND ended_at > bridged_at
		AND (recording_size_bytes > 44 OR isNull(recording_size_bytes) AND ifNull(recording_duration_ms, 0) > 0)`+sales+` AND started_at >= fromUnixTimestamp64Milli(?) AND started_at < fromUnixTimestamp64Milli(?)`,
		day.UnixMilli(), next.UnixMilli()).Scan(&valid)
	if err != nil {
		return nil, fmt.Errorf("read the calls: %w", err)
	}
	report, err := sampling.Verify(name, key, int64(a.cfg.Sampling.OneIn), population, valid)
	if err != nil {
		return nil, err
	}
	if key.Key == "" {
		return report, nil // nothing was drawn on that day
	}
	others, err := a.otherDraws(ctx, name, key)
	if err != nil {
		return nil, err
	}
	for _, d := range others {
		report.Add(d)
	}
	return report, nil
}
