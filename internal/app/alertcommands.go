package app

import (
	"bytes"
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
	for _, action := range []string{"resume", "throttle", "stop"} {
		a.api.Handle("POST /v1/campaigns/{id}/"+action, a.command(producer, action), "supervisor", "compliance")
	}
	for _, action := range []string{"acknowledge", "mute", "unmute"} {
		a.api.Handle("POST /v1/alerts/"+action, a.command(producer, action), "supervisor", "compliance")
	}
	if a.conn != nil {
		a.api.Handle("GET /v1/alerts", http.HandlerFunc(a.alertList), "supervisor", "compliance", "qa")
		a.api.Handle("POST /v1/alerts/replay", http.HandlerFunc(a.alertsReplay), "supervisor", "compliance")
	}
	return nil
}

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

// check says what is wrong with it for an action.
func (b *commandBody) check(action string, now time.Time) (pointer, detail string) {
	b.Reason = strings.TrimSpace(b.Reason)
	switch {
	case utf8.RuneCountInString(b.Reason) < 5:
		return "/reason", "expected a reason of at least 5 characters"
	case action == "acknowledge" && b.AlertID == "":
		return "/alert_id", "expected the id of the alert"
	case action == "mute" && !b.Until.After(now):
		return "/until", "expected a time to come, such as " + now.Add(time.Hour).Format(time.RFC3339)
	case b.Kind != "" && !slices.Contains(complaint.Kinds(), b.Kind):
		return "/kind", "expected one of " + strings.Join(complaint.Kinds(), ", ")
	case b.Dimension != "" && !slices.Contains(watched, b.Dimension):
		return "/dimension", "expected one of " + strings.Join(watched, ", ")
	case (b.Dimension == "") != (b.Subject == ""):
		return "/subject", "dimension and subject belong together"
	case action == "mute" && b.Kind == "" && b.Dimension == "":
		return "/kind", "expected a kind, a dimension with its subject, or both: not everything can be muted at once"
	}
	return "", ""
}

// command puts a person's decision before the watch; it is in Kafka, and in the audit log, when this answers 202.
func (a *App) command(producer *kgo.Client, action string) http.Handler {
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
		now := time.Now()
		if pointer, detail := b.check(action, now); detail != "" {
			httpapi.Problem(w, http.StatusUnprocessableEntity, "The command cannot be taken", pointer+": "+detail)
			return
		}
		id, err := uuid.NewV7()
		if err != nil {
			httpapi.Problem(w, http.StatusServiceUnavailable, "Not now", err.Error())
			return
		}
		c := &event.WatchCommand{Action: action, AlertId: b.AlertID, Kind: b.Kind, Dimension: b.Dimension, Subject: b.Subject, At: now.UnixMilli(), By: httpapi.User(r).Name,
			Reason: number.MaskText(b.Reason), EventId: id.String()}
		if !b.Until.IsZero() {
			c.Until = b.Until.UnixMilli()
		}
		key, subject := complaint.CentreKey, b.AlertID
		if campaign := r.PathValue("id"); campaign != "" {
			key, subject = complaint.CampaignKey(campaign), campaign
		}
		if err := a.noteCommand(r, action, subject, c); err != nil {
			httpapi.Problem(w, http.StatusServiceUnavailable, "It cannot be written down", "nothing was done; try again: "+err.Error())
			return
		}
		v, err := (&event.WatchRecord{Body: &event.WatchRecord_Command{Command: c}}).MarshalVT()
		if err == nil {
			err = producer.ProduceSync(r.Context(), &kgo.Record{Topic: event.TopicWatchEvents, Key: []byte(key), Value: v}).FirstErr()
		}
		if err != nil {
			w.Header().Set("Retry-After", "1")
			httpapi.Problem(w, http.StatusServiceUnavailable, "Not now", "Kafka cannot take it now; try again")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]string{"event_id": c.EventId})
	})
}

// noteCommand writes down who did it and why, before it is done.
func (a *App) noteCommand(r *http.Request, action, subject string, c *event.WatchCommand) error {
	who := httpapi.User(r)
	kind := "alert"
	if r.PathValue("id") != "" {
		kind = "campaign"
	}
	if subject == "" {
		subject = strings.TrimSpace(c.Kind + " " + c.Dimension + " " + c.Subject)
	}
	word := map[string]string{"resume": auditlog.CampaignResumed, "throttle": "campaign_throttled", "stop": "campaign_stopped", "acknowledge": "alert_acknowledged", "mute": "alert_muted", "unmute": "alert_unmuted"}[action]
	return a.Audit().Write(r.Context(), auditlog.Entry{Actor: who.Name, Roles: who.Roles, PartnerID: who.PartnerID, Action: word, Kind: kind, Subject: subject, Reason: c.Reason, Address: r.RemoteAddr, Source: "api",
		Detail: map[string]string{"event_id": c.EventId}})
}

// alertRow is an incident's latest state as it is listed.
type alertRow struct {
	AlertID      string    `json:"alert_id"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"`
	Severity     string    `json:"severity"`
	Dimension    string    `json:"dimension"`
	Subject      string    `json:"subject"`
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
}

// alertList answers GET /v1/alerts?open=&from=&to=&limit=: every incident in its latest state, newest first.
func (a *App) alertList(w http.ResponseWriter, r *http.Request) {
	if own := httpapi.Partner(r); own != "" { // REP-04
		httpapi.Problem(w, http.StatusForbidden, "The token may not do this", "it is confined to a partner; alerts are the centre's")
		return
	}
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
	having := ""
	if v.Get("open") == "true" || v.Get("open") == "1" {
		having = "HAVING state != 'resolved'"
	}
	last := func(c string) string { return "argMax(alerts." + c + ", (alerts.seq, alerts.at))" }
	rows, err := a.conn.Query(r.Context(), "SELECT alert_id, any(alerts.kind), "+last("state")+" AS state, "+last("severity")+", "+last("dimension")+", "+last("subject")+", "+last("since")+", max(alerts.at) AS latest, "+
		last("seq")+", argMin(alerts.detail, alerts.seq), argMin(alerts.false_per_year, alerts.seq), "+last("action")+", "+last("done")+", "+last("by")+", "+last("note")+", "+last("muted")+", "+last("also")+", "+last("call_ids")+
		" FROM alerts FINAL WHERE at >= fromUnixTimestamp64Milli(?) AND at < fromUnixTimestamp64Milli(?) GROUP BY alert_id "+having+" ORDER BY latest DESC, alert_id LIMIT ?", from.UnixMilli(), to.UnixMilli(), limit)
	if err != nil {
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
		return
	}
	defer func() { _ = rows.Close() }()
	out := []alertRow{}
	for rows.Next() {
		var x alertRow
		if err = rows.Scan(&x.AlertID, &x.Kind, &x.State, &x.Severity, &x.Dimension, &x.Subject, &x.Since, &x.At, &x.Seq, &x.Detail, &x.FalsePerYear, &x.Action, &x.Done, &x.By, &x.Note, &x.Muted, &x.Also, &x.Calls); err != nil {
			break
		}
		x.FalsePerYear = min(x.FalsePerYear, 1e12)
		out = append(out, x)
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}
