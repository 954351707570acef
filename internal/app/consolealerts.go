package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/console"
)

const (
	openSince   = 90 * 24 * time.Hour // an incident that nothing was told of for so long is not shown as open
	endedShown  = 24 * time.Hour
	mostShown   = 200
	callsBefore = 35 * 24 * time.Hour // a complaint is about a call of this span before its incident, or it is not looked up
)

// consoleAlerts is what the console's page of alerts needs; nil without ClickHouse.
func (a *App) consoleAlerts() *console.Alerts {
	if a.conn == nil {
		return nil
	}
	return &console.Alerts{Board: a.alertBoard, Decide: func(ctx context.Context, d console.Decision) error {
		_, err := a.decide(ctx, decision{action: d.Action, campaign: d.Campaign, by: d.By, address: d.Address, source: "console",
			commandBody: commandBody{Reason: d.Reason, AlertID: d.Alert, Kind: d.Kind, Dimension: d.Dimension, Subject: d.Subject, Until: d.Until}})
		var bad *badCommand
		if errors.As(err, &bad) {
			return &console.Refused{Detail: bad.detail}
		}
		return err
	}}
}

// alertBoard reads what goes on now.
func (a *App) alertBoard(ctx context.Context) (*console.AlertBoard, error) {
	now := time.Now()
	b := &console.AlertBoard{}
	open, err := a.alertRows(ctx, now.Add(-openSince), now.Add(time.Minute), "state != 'resolved'", mostShown)
	if err != nil {
		return nil, fmt.Errorf("read the open incidents: %w", err)
	}
	ended, err := a.alertRows(ctx, now.Add(-endedShown), now.Add(time.Minute), "state = 'resolved'", mostShown)
	if err != nil {
		return nil, fmt.Errorf("read the ended incidents: %w", err)
	}
	calls, err := a.alertCalls(ctx, open)
	if err != nil {
		return nil, err
	}
	for _, x := range open {
		b.Open = append(b.Open, incidentOf(x, calls))
	}
	for _, x := range ended {
		b.Ended = append(b.Ended, incidentOf(x, nil))
	}
	if err := a.verdicts(ctx, b); err != nil {
		return nil, err
	}
	b.Mutes, err = a.mutes(ctx, now)
	return b, err
}

func incidentOf(x alertRow, calls map[string]console.AlertCall) console.Incident {
	i := console.Incident{ID: x.AlertID, Kind: x.Kind, State: x.State, Severity: x.Severity, Dimension: x.Dimension, Subject: x.Subject, Campaign: x.Campaign, Since: x.Since, At: x.At, Detail: x.Detail, Done: x.Done,
		By: x.By, Note: x.Note, Also: x.Also, Muted: x.Muted, Overdue: x.EscalateTo}
	for _, id := range x.Calls {
		c := calls[id]
		c.ID = id
		i.Calls = append(i.Calls, c)
	}
	return i
}

// alertCalls looks up the calls that incidents name.
func (a *App) alertCalls(ctx context.Context, incidents []alertRow) (map[string]console.AlertCall, error) {
	var ids []string
	from := time.Now()
	for _, x := range incidents {
		ids = append(ids, x.Calls...)
		if x.Since.Before(from) {
			from = x.Since
		}
	}
	out := map[string]console.AlertCall{}
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := a.conn.Query(ctx, `SELECT call_id, toString(agent_id), toString(campaign_id), started_at, if(isNull(bridged_at), 0, greatest(0, dateDiff('millisecond', assumeNotNull(bridged_at), ended_at)))
		FROM calls FINAL WHERE started_at >= fromUnixTimestamp64Milli(?) AND call_id IN (?)`, from.Add(-callsBefore).UnixMilli(), ids)
	if err != nil {
		return nil, fmt.Errorf("read the incidents' calls: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c console.AlertCall
		if err := rows.Scan(&c.ID, &c.Agent, &c.Campaign, &c.Started, &c.TalkMS); err != nil {
			return nil, fmt.Errorf("read the incidents' calls: %w", err)
		}
		out[c.ID] = c
	}
	return out, rows.Err()
}

// verdicts reads the campaigns and what their dialling stands under.
func (a *App) verdicts(ctx context.Context, b *console.AlertBoard) error {
	rows, err := a.conn.Query(ctx, `SELECT toString(id), any(name), any(status), anyIf(verdict, verdict != ''), anyIf(by, verdict != ''), anyIf(reason, verdict != ''), maxIf(since, verdict != '') FROM (
		SELECT campaign_id AS id, argMax(campaigns.name, campaigns.at) AS name, toString(argMax(campaigns.status, campaigns.at)) AS status, '' AS verdict, '' AS by, '' AS reason, toDateTime64(0, 3, 'UTC') AS since FROM campaigns FINAL GROUP BY campaign_id
		UNION ALL
		SELECT campaign_id, '', '', toString(argMax(s.verdict, (s.at, s.position))), toString(argMax(s.verdict_by, (s.at, s.position))), argMax(s.reason, (s.at, s.position)), max(s.at) FROM campaign_signals AS s WHERE s.verdict != '' GROUP BY campaign_id)
		GROUP BY id ORDER BY id LIMIT 2000`)
	if err != nil {
		return fmt.Errorf("read the campaigns: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c console.CampaignState
		if err := rows.Scan(&c.ID, &c.Name, &c.Status, &c.Verdict.What, &c.Verdict.By, &c.Verdict.Reason, &c.Verdict.At); err != nil {
			return fmt.Errorf("read the campaigns: %w", err)
		}
		switch {
		case c.ID == "*":
			if c.Verdict.What != "run" {
				v := c.Verdict
				b.Everyone = &v
			}
		case c.ID != "":
			b.Campaigns = append(b.Campaigns, c)
		}
	}
	// What does not run comes first.
	slices.SortStableFunc(b.Campaigns, func(x, y console.CampaignState) int { return standing(x) - standing(y) })
	return rows.Err()
}

func standing(c console.CampaignState) int {
	switch {
	case c.Verdict.What == "stop":
		return 0
	case c.Verdict.What == "throttle":
		return 1
	case c.Status == "running":
		return 2
	}
	return 3
}

// mutes reads what is muted now from the audit log, where each mute is with its end.
func (a *App) mutes(ctx context.Context, now time.Time) ([]console.Mute, error) {
	rows, err := a.conn.Query(ctx, `SELECT JSONExtractString(d, 'kind'), JSONExtractString(d, 'dimension'), JSONExtractString(d, 'subject'), JSONExtractString(d, 'until'), actor, reason FROM (
		SELECT argMax(l.action, (l.at, l.audit_id)) AS action, argMax(l.detail, (l.at, l.audit_id)) AS d, toString(argMax(l.actor, (l.at, l.audit_id))) AS actor, argMax(l.reason, (l.at, l.audit_id)) AS reason
		FROM audit_log AS l WHERE l.action IN ('alert_muted', 'alert_unmuted') AND l.outcome = 'ok' GROUP BY l.subject) WHERE action = 'alert_muted' LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("read what is muted: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []console.Mute
	for rows.Next() {
		var m console.Mute
		var until string
		if err := rows.Scan(&m.Kind, &m.Dimension, &m.Subject, &until, &m.By, &m.Reason); err != nil {
			return nil, fmt.Errorf("read what is muted: %w", err)
		}
		if m.Until, err = time.Parse(time.RFC3339, until); err == nil && m.Until.After(now) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(x, y console.Mute) int {
		return strings.Compare(x.Kind+x.Dimension+x.Subject, y.Kind+y.Dimension+y.Subject)
	})
	return out, rows.Err()
}
