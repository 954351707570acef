package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/retention"
)

// recordingAnswer is one recording and how long it is kept.
type recordingAnswer struct {
	CallID      string     `json:"call_id"`
	CustomerID  string     `json:"customer_id"`
	CampaignID  string     `json:"campaign_id,omitempty"`
	StartedAt   time.Time  `json:"started_at"`
	URI         string     `json:"uri"`
	Sale        bool       `json:"sale"`
	Sold        []string   `json:"sold,omitempty"`
	OnlineUntil time.Time  `json:"online_until"`
	InUse       []string   `json:"in_use,omitempty"`
	PurgeAfter  *time.Time `json:"purge_after"` // null while something sold is in use
	HeldBy      []string   `json:"held_by,omitempty"`
	Due         bool       `json:"due"`
	Why         string     `json:"why"`
}

// recordingsAnswer is what GET /v1/recordings/due answers.
type recordingsAnswer struct {
	At         time.Time         `json:"at"`
	Recordings int64             `json:"recordings"` // older than a recording is kept at least
	InUse      int64             `json:"in_use"`
	Held       int64             `json:"held"`
	Later      int64             `json:"later"` // of sales whose use ended less than the months ago
	Due        int64             `json:"due"`
	List       []recordingAnswer `json:"list"` // of those due, oldest first, at most `limit`
}

func (a *App) retentionRules() retention.Rules {
	r := a.cfg.Retention
	return retention.Rules{OnlineMonths: r.OnlineMonths, Months: r.RecordingsMonths, Zone: a.zone}
}

// recordingsDue answers GET /v1/recordings/due?at=&limit=: which recordings may be deleted at a moment (default: now).
func (a *App) recordingsDue(w http.ResponseWriter, r *http.Request) {
	at, limit := time.Now(), 1000
	var err error
	if s := r.URL.Query().Get("at"); s != "" {
		if at, err = time.Parse(time.RFC3339, s); err != nil {
			httpapi.Problem(w, http.StatusUnprocessableEntity, "The moment cannot be read", fmt.Sprintf("at: %q: expected a time such as 2026-11-24T00:00:00+08:00", s))
			return
		}
	}
	if s := r.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 0 || limit > 1_000_000 {
			httpapi.Problem(w, http.StatusUnprocessableEntity, "The limit cannot be read", fmt.Sprintf("limit: %q: expected a number from 0 to 1000000", s))
			return
		}
	}
	out := recordingsAnswer{At: at, List: []recordingAnswer{}}
	rules := a.retentionRules()
	// Nothing younger than the months can be due.
	err = a.eachRecording(r.Context(), "started_at <= fromUnixTimestamp64Milli(?) ORDER BY started_at, call_id", []any{at.AddDate(0, -rules.Months, 1).UnixMilli()}, func(x recordingAnswer, d retention.Decision) {
		out.Recordings++
		switch {
		case d.Due(at):
			out.Due++
			if len(out.List) < limit {
				x.Due = true
				out.List = append(out.List, x)
			}
		case len(d.HeldBy) > 0:
			out.Held++
		case len(d.InUse) > 0:
			out.InUse++
		default:
			out.Later++
		}
	})
	a.answerRecordings(w, out, err)
}

// recordingExplain answers GET /v1/recordings/{call_id}: how long a call's recording is kept, and why.
func (a *App) recordingExplain(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("call_id")
	var found *recordingAnswer
	err := a.eachRecording(r.Context(), "call_id = ?", []any{id}, func(x recordingAnswer, d retention.Decision) {
		x.Due = d.Due(time.Now())
		found = &x
	})
	if err == nil && found == nil {
		httpapi.Problem(w, http.StatusNotFound, "No such recording", fmt.Sprintf("no call %q with a recording is known", id))
		return
	}
	a.answerRecordings(w, found, err)
}

func (a *App) answerRecordings(w http.ResponseWriter, v any, err error) {
	if err != nil {
		w.Header().Set("Retry-After", "2")
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}

// eachRecording decides about each recording that a condition selects.
func (a *App) eachRecording(ctx context.Context, where string, args []any, do func(recordingAnswer, retention.Decision)) error {
	rows, err := a.conn.Query(ctx, `SELECT call_id, customer_id, campaign_id, started_at, recording_uri, sale, sold,
		arrayMap(events -> arrayMap(e -> toUnixTimestamp64Milli(e.1) * 4 + e.2, events), after), complaints FROM recordings_evidence WHERE `+where, args...)
	if err != nil {
		return fmt.Errorf("read the recordings: %w", err)
	}
	defer func() { _ = rows.Close() }()
	rules := a.retentionRules()
	for rows.Next() {
		var x recordingAnswer
		var after [][]int64
		var sale uint8
		if err := rows.Scan(&x.CallID, &x.CustomerID, &x.CampaignID, &x.StartedAt, &x.URI, &sale, &x.Sold, &after, &x.HeldBy); err != nil {
			return fmt.Errorf("read the recordings: %w", err)
		}
		x.Sale = sale == 1
		in := retention.Recording{CallID: x.CallID, StartedAt: x.StartedAt, Sale: x.Sale, Sold: x.Sold, Open: x.HeldBy}
		for _, events := range after {
			var out []retention.Event
			for _, e := range events {
				out = append(out, retention.Event{At: time.UnixMilli(e >> 2), Kind: retention.Kind(e & 3)})
			}
			in.After = append(in.After, out)
		}
		d := rules.Decide(in)
		x.StartedAt, x.OnlineUntil, x.InUse = x.StartedAt.In(a.zone), d.OnlineUntil, d.InUse
		if !d.PurgeAfter.IsZero() {
			x.PurgeAfter = &d.PurgeAfter
		}
		x.Why = why(x, rules)
		do(x, d)
	}
	return rows.Err()
}

// why is the decision in words.
func why(x recordingAnswer, r retention.Rules) string {
	switch {
	case len(x.HeldBy) > 0:
		return fmt.Sprintf("RET-05: held while complaint %s is open", x.HeldBy[0])
	case len(x.InUse) == 1 && x.InUse[0] == "":
		return "RET-04: a sale without its product, kept until the customer leaves the network"
	case len(x.InUse) > 0:
		return fmt.Sprintf("RET-04: %s was sold and is in use", x.InUse[0])
	case x.Sale:
		return fmt.Sprintf("RET-04: %d months after what was sold ended, and from the call at least", r.Months)
	}
	return fmt.Sprintf("RET-03: %d months from the call", r.Months)
}
