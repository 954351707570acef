package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/processors/complaint"
)

// mountAlerts serves what people decide about alerts and campaigns, the list of alerts, and replays.
func (a *App) mountAlerts() error {
	producer, err := kgo.NewClient(append(slices.Clone(a.base), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(8*time.Second),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		return fmt.Errorf("open the producer of commands: %w", err)
	}
	a.onClose(func() error { producer.Close(); return nil })
	a.commands = producer
	for _, action := range campaignActions {
		a.api.Handle("POST /v1/campaigns/{id}/"+action, httpapi.Whole(a.command(action)), "supervisor", "compliance")
	}
	for _, action := range alertActions {
		a.api.Handle("POST /v1/alerts/"+action, httpapi.Whole(a.command(action)), "supervisor", "compliance")
	}
	if a.conn != nil {
		a.api.Handle("GET /v1/alerts", httpapi.Whole(http.HandlerFunc(a.alertList)), "supervisor", "compliance", "qa")
		a.api.Handle("POST /v1/alerts/replay", httpapi.Whole(http.HandlerFunc(a.alertsReplay)), "supervisor", "compliance")
	}
	return nil
}

// What people decide about campaigns, and about alerts.
var (
	campaignActions = []string{"resume", "throttle", "stop"}
	alertActions    = []string{"acknowledge", "mute", "unmute"}
)

// commandBody is what a person decided, and why.
type commandBody struct {
	Reason    string    `json:"reason"`
	AlertID   string    `json:"alert_id"`
	Kind      string    `json:"kind"`
	Dimension string    `json:"dimension"`
	Subject   string    `json:"subject"`
	Until     time.Time `json:"until"`
}

// watched are the dimensions that can be muted.
var watched = []string{"campaign", "agent", "team", "partner", "product", "centre", "source", "complaint"}

// badCommand is what is wrong with a decision.
type badCommand struct{ pointer, detail string }

func (b *badCommand) Error() string { return b.pointer + ": " + b.detail }

// check says what is wrong with it for an action.
func (b *commandBody) check(action string, now time.Time) error {
	b.Reason = strings.TrimSpace(b.Reason)
	switch {
	case utf8.RuneCountInString(b.Reason) < 5:
		return &badCommand{"/reason", "expected a reason of at least 5 characters"}
	case action == "acknowledge" && b.AlertID == "":
		return &badCommand{"/alert_id", "expected the id of the alert"}
	case action == "mute" && !b.Until.After(now):
		return &badCommand{"/until", "expected a time to come, such as " + now.Add(time.Hour).Format(time.RFC3339)}
	case b.Kind != "" && !slices.Contains(complaint.Kinds(), b.Kind):
		return &badCommand{"/kind", "expected one of " + strings.Join(complaint.Kinds(), ", ")}
	case b.Dimension != "" && !slices.Contains(watched, b.Dimension):
		return &badCommand{"/dimension", "expected one of " + strings.Join(watched, ", ")}
	case (b.Dimension == "") != (b.Subject == ""):
		return &badCommand{"/subject", "dimension and subject belong together"}
	case action == "mute" && b.Kind == "" && b.Dimension == "":
		return &badCommand{"/kind", "expected a kind, a dimension with its subject, or both: not everything can be muted at once"}
	}
	return nil
}

// errNotWritten: the audit log did not take it, so nothing was done.
var errNotWritten = errors.New("it cannot be written down, so nothing was done; try again")

// decision is what somebody decided, and whence.
type decision struct {
	action, campaign string // campaign: of those about one
	commandBody
	by              *identity.User
	address, source string
}

// decide writes a decision down and puts it before the watch; when it returns the event's id it is in the audit log and
// in Kafka. A *badCommand says what is wrong with it; nothing was done then.
func (a *App) decide(ctx context.Context, d decision) (string, error) {
	now := time.Now()
	if err := d.check(d.action, now); err != nil {
		return "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	c := &event.WatchCommand{Action: d.action, AlertId: d.AlertID, Kind: d.Kind, Dimension: d.Dimension, Subject: d.Subject, At: now.UnixMilli(), By: d.by.Name,
		Reason: number.MaskText(d.Reason), EventId: id.String()}
	if !d.Until.IsZero() {
		c.Until = d.Until.UnixMilli()
	}
	key := complaint.CentreKey
	if d.campaign != "" {
		key = complaint.CampaignKey(d.campaign)
	}
	if err := a.noteDecision(ctx, d, c); err != nil {
		return "", errors.Join(errNotWritten, err)
	}
	v, err := (&event.WatchRecord{Body: &event.WatchRecord_Command{Command: c}}).MarshalVT()
	if err == nil {
		err = a.commands.ProduceSync(ctx, &kgo.Record{Topic: event.TopicWatchEvents, Key: []byte(key), Value: v}).FirstErr()
	}
	return c.EventId, err
}

// noteDecision writes down who did it and why, before it is done.
func (a *App) noteDecision(ctx context.Context, d decision, c *event.WatchCommand) error {
	kind, subject := "alert", d.AlertID
	if d.campaign != "" {
		kind, subject = "campaign", d.campaign
	}
	detail := map[string]string{"event_id": c.EventId}
	if subject == "" {
		subject = strings.TrimSpace(d.Kind + " " + d.Dimension + " " + d.Subject)
		for k, v := range map[string]string{"kind": d.Kind, "dimension": d.Dimension, "subject": d.Subject} {
			if v != "" {
				detail[k] = v
			}
		}
		if d.action == "mute" {
			detail["until"] = d.Until.UTC().Format(time.RFC3339)
		}
	}
	word := map[string]string{"resume": auditlog.CampaignResumed, "throttle": "campaign_throttled", "stop": "campaign_stopped", "acknowledge": "alert_acknowledged", "mute": "alert_muted", "unmute": "alert_unmuted"}[d.action]
	return a.Audit().Write(ctx, auditlog.Entry{Actor: d.by.Name, Roles: d.by.Roles, PartnerID: d.by.PartnerID, Action: word, Kind: kind, Subject: subject, Reason: c.Reason, Address: d.address, Source: d.source, Detail: detail})
}

// command answers a decision that came over the API; it is in Kafka, and in the audit log, when this answers 202.
func (a *App) command(action string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			httpapi.Problem(w, http.StatusRequestEntityTooLarge, "The body is too long", err.Error())
			return
		}
		var b commandBody
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&b); err != nil {
			httpapi.Problem(w, http.StatusBadRequest, "The body cannot be read", `expected an object such as {"reason":"the script was changed"}: `+err.Error())
			return
		}
		id, err := a.decide(r.Context(), decision{action: action, campaign: r.PathValue("id"), commandBody: b, by: httpapi.User(r), address: r.RemoteAddr, source: "api"})
		var bad *badCommand
		switch {
		case errors.As(err, &bad):
			httpapi.Problem(w, http.StatusUnprocessableEntity, "The command cannot be taken", bad.Error())
		case err != nil:
			w.Header().Set("Retry-After", "1")
			detail := "Kafka cannot take it now; try again"
			if errors.Is(err, errNotWritten) {
				detail = errNotWritten.Error()
			}
			httpapi.Problem(w, http.StatusServiceUnavailable, "Not now", detail)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusAccepted)
			_ = json.NewEncoder(w).Encode(map[string]string{"event_id": id})
		}
	})
}

// alertRow is an incident's latest state as it is listed.
type alertRow struct {
	AlertID      string    `json:"alert_id"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"`
	Severity     string    `json:"severity"`
	Dimension    string    `json:"dimension"`
	Subject      string    `json:"subject"`
	Campaign     string    `json:"campaign_id"`
	Since        time.Time `json:"since"`
	At           time.Time `json:"at"`
	Seq          int64     `json:"seq"`
	Detail       string    `json:"detail"`
	FalsePerYear float64   `json:"false_alarms_per_year"`
	Action       string    `json:"action"`
	Done         string    `json:"done"`
	By           string    `json:"by"`
	Note         string    `json:"note"`
	Muted        bool      `json:"muted"`
	Also         []string  `json:"also"`
	Calls        []string  `json:"call_ids"`
	EscalateTo   string    `json:"escalate_to"`
}

// alertList answers GET /v1/alerts?open=&from=&to=&limit=: every incident in its latest state, newest first.
func (a *App) alertList(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	from, to, err := span(v, a.zone, time.Now())
	if err == nil && v.Get("from") == "" {
		from = to.AddDate(0, 0, -7)
	}
	limit := 200
	if s := v.Get("limit"); err == nil && s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > 10_000 {
			err = errors.New("limit: expected a number from 1 to 10000")
		}
	}
	if err != nil {
		httpapi.Problem(w, http.StatusUnprocessableEntity, "The question cannot be answered as asked", err.Error())
		return
	}
	states := ""
	if v.Get("open") == "true" || v.Get("open") == "1" {
		states = "state != 'resolved'"
	}
	out, err := a.alertRows(r.Context(), from, to, states, limit)
	if err != nil {
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// alertRows are the incidents of which something was told in [from, to), in their latest state, newest first; states is a
// condition on that state.
func (a *App) alertRows(ctx context.Context, from, to time.Time, states string, limit int) ([]alertRow, error) {
	if states != "" {
		states = "HAVING " + states
	}
	last := func(c string) string { return "argMax(alerts." + c + ", (alerts.seq, alerts.at))" }
	rows, err := a.conn.Query(ctx, "SELECT alert_id, any(alerts.kind), "+last("state")+" AS state, "+last("severity")+" AS severity, "+last("dimension")+", "+last("subject")+", "+last("campaign_id")+", "+last("since")+", max(alerts.at) AS latest, "+
		last("seq")+", argMin(alerts.detail, alerts.seq), argMin(alerts.false_per_year, alerts.seq), "+last("action")+", "+last("done")+", "+last("by")+", "+last("note")+", "+last("muted")+", "+last("also")+", "+last("call_ids")+", "+last("escalate_to")+
		" FROM alerts FINAL WHERE at >= fromUnixTimestamp64Milli(?) AND at < fromUnixTimestamp64Milli(?) GROUP BY alert_id "+states+" ORDER BY latest DESC, alert_id LIMIT ?", from.UnixMilli(), to.UnixMilli(), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := []alertRow{}
	for rows.Next() {
		var x alertRow
		if err := rows.Scan(&x.AlertID, &x.Kind, &x.State, &x.Severity, &x.Dimension, &x.Subject, &x.Campaign, &x.Since, &x.At, &x.Seq, &x.Detail, &x.FalsePerYear, &x.Action, &x.Done, &x.By, &x.Note, &x.Muted, &x.Also, &x.Calls, &x.EscalateTo); err != nil {
			return nil, err
		}
		x.FalsePerYear = min(x.FalsePerYear, 1e12)
		out = append(out, x)
	}
	return out, rows.Err()
}
