package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/processors/complaint"
)

// AlertsReplay is what the watch would have found in the past. Its times are in the reporting zone.
type AlertsReplay struct {
	From     string           `json:"from"`
	To       string           `json:"to"`
	Subjects int              `json:"subjects"`
	Alerts   []*ReplayedAlert `json:"alerts"`
	Days     []*ReplayDay     `json:"days"` // of each campaign, for the chart
}

// ReplayedAlert is one incident.
type ReplayedAlert struct {
	Kind         string     `json:"kind"`
	Dimension    string     `json:"dimension"`
	Subject      string     `json:"subject"`
	Also         []string   `json:"also,omitempty"`
	At           time.Time  `json:"at"`
	Since        time.Time  `json:"since"`
	Until        *time.Time `json:"until"` // null: still going on at the end
	Detail       string     `json:"detail"`
	FalsePerYear float64    `json:"false_alarms_per_year"`
}

// ReplayDay is a campaign's day in the reporting zone.
type ReplayDay struct {
	Campaign   string `json:"campaign_id"`
	Day        string `json:"day"`
	Complaints int64  `json:"complaints"`
	Connected  int64  `json:"connected"`
}

// replayHistory is what is read before the range: the longest window, and the longest baseline.
const replayHistory = 35 * 24 * time.Hour

// alertsReplay answers POST /v1/alerts/replay?from=&to=, the body being a configuration of which complaint and alerts
// count, or nothing for the one in force.
func (a *App) alertsReplay(w http.ResponseWriter, r *http.Request) {
	from, to, err := span(r.URL.Query(), a.zone, time.Now())
	if err == nil && !to.After(from) {
		err = errors.New("to: expected a time after from")
	}
	cfg := a.cfg
	if err == nil {
		var src []byte
		if src, err = io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)); err == nil && len(src) > 0 {
			cfg, err = config.Parse("the configuration", src)
		}
	}
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The replay cannot be read", err.Error())
		return
	}
	o := watchOptions(cfg, a.zone)
	told(w, r, func(ctx context.Context, progress func(float64)) (any, error) {
		if err := a.Counted(ctx); err != nil {
			return nil, err
		}
		pasts, err := a.pasts(ctx, from.Add(-replayHistory), to)
		if err != nil {
			return nil, err
		}
		return replayAlerts(ctx, o, pasts, from, to, progress)
	})
}

func replayAlerts(ctx context.Context, o complaint.Options, pasts []*complaint.Past, from, to time.Time, progress func(float64)) (*AlertsReplay, error) {
	rep := &AlertsReplay{From: from.In(o.Zone).Format(time.RFC3339), To: to.In(o.Zone).Format(time.RFC3339), Subjects: len(pasts), Alerts: []*ReplayedAlert{}, Days: []*ReplayDay{}}
	keys := map[string]int64{}
	for _, p := range pasts {
		keys[p.Dimension]++
	}
	var all []*event.WatchCandidate
	for i, p := range pasts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		all = append(all, o.Replay(*p, keys[p.Dimension], from.UnixMilli())...)
		if p.Dimension == "campaign" {
			rep.Days = append(rep.Days, daysOf(p, from, o.Zone)...)
		}
		progress(float64(i+1) / float64(len(pasts)))
	}
	open := map[string]*ReplayedAlert{}
	for _, x := range complaint.Incidents(all) {
		at := time.UnixMilli(x.At).In(o.Zone)
		if x.State != "firing" {
			if open[x.AlertId] != nil {
				open[x.AlertId].Until, open[x.AlertId].Also = &at, x.Also
			}
			continue
		}
		if open[x.AlertId] == nil {
			open[x.AlertId] = &ReplayedAlert{Kind: x.Kind, Dimension: x.Dimension, Subject: x.Subject, Also: x.Also, At: at, Since: time.UnixMilli(x.Since).In(o.Zone), Detail: x.Detail, FalsePerYear: x.FalsePerYear}
			rep.Alerts = append(rep.Alerts, open[x.AlertId])
		}
	}
	return rep, nil
}

func daysOf(p *complaint.Past, from time.Time, zone *time.Location) []*ReplayDay {
	var out []*ReplayDay
	day := func(ms int64) *ReplayDay {
		name := time.UnixMilli(ms).In(zone).Format(time.DateOnly)
		i, ok := slices.BinarySearchFunc(out, name, func(d *ReplayDay, n string) int { return strings.Compare(d.Day, n) })
		if !ok {
			out = slices.Insert(out, i, &ReplayDay{Campaign: p.Subject, Day: name})
		}
		return out[i]
	}
	for _, b := range p.Calls {
		if b.At >= from.UnixMilli() {
			day(b.At).Connected += b.Connected
		}
	}
	for _, c := range p.Complaints {
		if c.At >= from.UnixMilli() {
			day(c.At).Complaints++
		}
	}
	return out
}

// subjectsSQL are the pairs of dimension and subject a row counts for.
const subjectsSQL = `arrayFilter(x -> x.2 != '', arrayConcat([('campaign', toString(campaign_id)), ('agent', toString(agent_id)), ('team', toString(team_id)), ('partner', toString(partner_id))],
	arrayMap(p -> ('product', toString(p)), products)))`

// sourceSQL is the pair of the dialer or the feed a call came from.
const sourceSQL = `arrayFilter(x -> x.2 != '', [('source', if(dialer_id != '', toString(dialer_id), toString(source)))])`

// pasts reads every subject's past from ClickHouse, complaints where they were first opened and as attributed last.
func (a *App) pasts(ctx context.Context, from, to time.Time) ([]*complaint.Past, error) {
	all := map[string]*complaint.Past{}
	past := func(dimension, subject string) *complaint.Past {
		k := dimension + "|" + subject
		if all[k] == nil {
			all[k] = &complaint.Past{Dimension: dimension, Subject: subject}
		}
		return all[k]
	}
	rows, err := a.conn.Query(ctx, `SELECT s.1, s.2, toUnixTimestamp(b) * 1000, sum(n), sum(connected), sum(live), sum(abandoned), sum(done), sum(won), sum(recorded) FROM (
		SELECT toStartOfInterval(started_at, INTERVAL 10 MINUTE) AS b, arrayJoin(arrayConcat(`+subjectsSQL+`, `+sourceSQL+`)) AS s, count() AS n, countIf(isNotNull(answered_at)) AS connected,
		countIf(isNotNull(answered_at) AND answered_by NOT IN ('machine', 'fax')) AS live, countIf(outcome = 'abandoned') AS abandoned, countIf(completed = true) AS done,
		countIf(notEmpty(ordered) OR disposition = 'agree') AS won,
		countIf(isNotNull(answered_at) AND (recording_size_bytes > 44 OR isNull(recording_size_bytes) AND ifNull(recording_duration_ms, 0) > 0)) AS recorded
		FROM calls FINAL WHERE direction != 'inbound' AND started_at >= fromUnixTimestamp64Milli(?) AND started_at < fromUnixTimestamp64Milli(?) GROUP BY b, s) GROUP BY s, b ORDER BY s, b`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read the calls: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var dimension, subject string
		var at int64
		var n [7]uint64
		var unix uint64
		if err := rows.Scan(&dimension, &subject, &unix, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6]); err != nil {
			return nil, fmt.Errorf("read the calls: %w", err)
		}
		at = int64(unix)
		p := past(dimension, subject)
		p.Calls = append(p.Calls, &event.WatchBucket{At: at, Dials: int64(n[0]), Connected: int64(n[1]), Live: int64(n[2]), Abandoned: int64(n[3]), Completed: int64(n[4]), Won: int64(n[5]), Recorded: int64(n[6])})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the calls: %w", err)
	}
	found, err := a.conn.Query(ctx, `SELECT s.1, s.2, cityHash64(complaint_id), toUnixTimestamp64Milli(opened), call, agent_id, serious FROM (
		SELECT complaint_id, if(countIf(event = 'opened') > 0, minIf(at, event = 'opened'), min(at)) AS opened, argMax(complaints.campaign_id, revision) AS campaign_id, argMax(complaints.agent_id, revision) AS agent_id,
		argMax(complaints.team_id, revision) AS team_id, argMax(complaints.partner_id, revision) AS partner_id, argMax(complaints.products, revision) AS products,
		argMax(attributed_call_id, revision) AS call, max(severity = 'serious') AS serious, argMax(unattributed, revision) AS nobody FROM complaints FINAL GROUP BY complaint_id)
		ARRAY JOIN `+subjectsSQL+` AS s WHERE NOT nobody AND opened >= fromUnixTimestamp64Milli(?) AND opened < fromUnixTimestamp64Milli(?) ORDER BY opened, complaint_id`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read the complaints: %w", err)
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		var dimension, subject string
		c := &event.WatchComplaint{}
		var serious bool
		if err := found.Scan(&dimension, &subject, &c.Id, &c.At, &c.CallId, &c.AgentId, &serious); err != nil {
			return nil, fmt.Errorf("read the complaints: %w", err)
		}
		c.Serious = serious
		p := past(dimension, subject)
		p.Complaints = append(p.Complaints, c)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("read the complaints: %w", err)
	}
	if err := a.slowed(ctx, from, to, all); err != nil {
		return nil, err
	}
	out := make([]*complaint.Past, 0, len(all))
	for _, p := range all {
		p.Until = to.UnixMilli()
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y *complaint.Past) int {
		return strings.Compare(x.Dimension+"|"+x.Subject, y.Dimension+"|"+y.Subject)
	})
	return out, nil
}

// slowed reads when each campaign was throttled or stopped.
func (a *App) slowed(ctx context.Context, from, to time.Time, all map[string]*complaint.Past) error {
	rows, err := a.conn.Query(ctx, `SELECT toString(campaign_id), toUnixTimestamp64Milli(at), verdict != 'run' FROM campaign_signals FINAL WHERE verdict != '' AND campaign_id != '*' AND at >= fromUnixTimestamp64Milli(?)
		AND at < fromUnixTimestamp64Milli(?) ORDER BY campaign_id, at, position`, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return fmt.Errorf("read when campaigns were slowed down: %w", err)
	}
	defer func() { _ = rows.Close() }()
	open := map[string]*event.WatchSpan{}
	for rows.Next() {
		var campaign string
		var at int64
		var slow bool
		if err := rows.Scan(&campaign, &at, &slow); err != nil {
			return fmt.Errorf("read when campaigns were slowed down: %w", err)
		}
		p := all["campaign|"+campaign]
		if p == nil {
			continue
		}
		switch {
		case slow && open[campaign] == nil:
			open[campaign] = &event.WatchSpan{From: at, To: to.UnixMilli()}
			p.Slowed = append(p.Slowed, open[campaign])
		case !slow && open[campaign] != nil:
			open[campaign].To, open[campaign] = at, nil
		}
	}
	return rows.Err()
}
