package freeswitch

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// Options of the readers.
type Options struct {
	Purpose  string
	Campaign string
}

// row makes the call of one record's variables.
func row(v map[string]string, flow map[string]string, opt Options) (rows.Row, error) {
	get := func(names ...string) string {
		for _, n := range names {
			if x := v[n]; x != "" {
				return x
			}
		}
		for _, n := range names {
			if x := flow[n]; x != "" {
				return x
			}
		}
		return ""
	}
	id := get("uuid")
	if id == "" {
		return rows.Row{}, errors.New("the record has no uuid")
	}
	var at [4]time.Time
	for i, n := range []string{"start", "answer", "bridge", "end"} {
		var err error
		if at[i], err = moment(get(n+"_uepoch"), get(n+"_epoch")); err != nil {
			return rows.Row{}, fmt.Errorf("%s: %w", n, err)
		}
	}
	for i, n := range []string{"created_time", "answered_time", "bridged_time", "hangup_time"} {
		if at[i].IsZero() && flow[n] != "" {
			var err error
			if at[i], err = moment(flow[n], ""); err != nil {
				return rows.Row{}, fmt.Errorf("callflow %s: %w", n, err)
			}
		}
	}
	start, answer, bridge, end := at[0], at[1], at[2], at[3]
	if start.IsZero() || end.IsZero() {
		return rows.Row{}, errors.New("the record has no start or no end")
	}
	if end.Before(start) {
		return rows.Row{}, errors.New("the end is before the start")
	}
	c := rows.Call{
		CallID: "freeswitch-" + id, Direction: "outbound", Purpose: opt.Purpose,
		CampaignID: get("ringfence_campaign", "campaign_id", "cc_campaign", "accountcode"),
		AgentID:    get("cc_agent", "agent_id"),
		CustomerID: get("customer_id"), CallerID: get("origination_caller_id_number"),
		StartedAt: rows.Time(start), AnsweredAt: rows.Time(answer), EndedAt: rows.Time(end),
	}
	if p := get("ringfence_purpose"); p != "" {
		c.Purpose = p
	}
	if opt.Campaign != "" {
		c.CampaignID = opt.Campaign
	}
	if get("direction") == "inbound" {
		c.Direction = "inbound"
	}
	if cc, err := moment(get("cc_queue_answered_uepoch"), get("cc_queue_answered_epoch")); err == nil && !cc.IsZero() {
		bridge = cc
	}
	c.HangupCause, _ = strconv.Atoi(get("hangup_cause_q850"))
	if c.HangupCause < 0 || c.HangupCause > 127 {
		c.HangupCause = 0
	}
	queue := get("cc_queue") != "" || get("cc_member_uuid") != ""
	switch {
	case answer.IsZero():
		c.Outcome = outcomes[get("hangup_cause")]
		if c.Outcome == "" {
			c.Outcome = "failed"
		}
	case queue && bridge.IsZero():
		c.Outcome = "abandoned"
	default:
		c.Outcome = "answered"
		if bridge.IsZero() || bridge.Before(answer) {
			bridge = answer
		}
		c.BridgedAt = rows.Time(bridge)
	}
	switch get("sip_hangup_disposition") {
	case "recv_bye":
		c.HangupBy = "customer"
	case "send_bye":
		c.HangupBy = "system"
	}
	if uri := get("record_path", "cc_record_filename", "recording_file"); uri != "" {
		c.Recording = &rows.Recording{URI: uri}
		if n, err := strconv.ParseInt(get("record_ms"), 10, 64); err == nil && n >= 0 {
			c.Recording.DurationMS = &n
		}
	}
	if c.CustomerID == "" {
		names := []string{"ringfence_number", "destination_number", "callee_id_number", "dialed_user"}
		if c.Direction == "inbound" {
			names = []string{"caller_id_number", "sip_from_user"}
		}
		c.Number = get(names...)
		if c.Number == "" && c.Direction == "outbound" {
			c.Number = fromChannel(get("channel_name"))
		}
	}
	own := c.CallID
	if c.Number == "" && c.CustomerID == "" {
		c.CustomerID = own
	}
	return rows.NewCall(c, own)
}

// fromChannel finds the number in sofia/gateway/gw/NUMBER or sofia/external/NUMBER@host.
func fromChannel(s string) string {
	i := strings.LastIndexByte(s, '/')
	n, _, _ := strings.Cut(s[i+1:], "@")
	if len(strings.TrimLeft(n, "+0123456789")) > 0 || len(n) < 7 {
		return ""
	}
	return n
}

// moment reads microseconds, or else seconds; 0 = never.
func moment(micro, sec string) (time.Time, error) {
	s, unit := micro, int64(1)
	if s == "" || s == "0" {
		s, unit = sec, 1_000_000
	}
	if s == "" || s == "0" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1e17/unit {
		return time.Time{}, fmt.Errorf("%q is no epoch time", s)
	}
	return time.UnixMicro(n * unit).UTC(), nil
}

// outcomes by FreeSWITCH's name of the hangup cause of a call that was not answered.
var outcomes = map[string]string{
	"USER_BUSY": "busy", "NO_ANSWER": "no_answer", "NO_USER_RESPONSE": "no_answer", "PROGRESS_TIMEOUT": "no_answer",
	"ALLOTTED_TIMEOUT": "no_answer", "CALL_REJECTED": "rejected", "ORIGINATOR_CANCEL": "cancelled", "LOSE_RACE": "cancelled",
	"UNALLOCATED_NUMBER": "invalid_number", "INVALID_NUMBER_FORMAT": "invalid_number", "NUMBER_CHANGED": "invalid_number",
	"SUBSCRIBER_ABSENT": "unavailable", "USER_NOT_REGISTERED": "unavailable", "NORMAL_TEMPORARY_FAILURE": "unavailable",
	"NORMAL_CIRCUIT_CONGESTION": "unavailable", "SWITCH_CONGESTION": "unavailable", "DESTINATION_OUT_OF_ORDER": "unavailable",
	"NO_ROUTE_DESTINATION": "failed", "REDIRECTION_TO_NEW_DESTINATION": "forwarded",
}

// plain undoes percent-encoding; what is not encoded is taken as it is.
func plain(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}
