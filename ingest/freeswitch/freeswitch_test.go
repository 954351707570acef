package freeswitch

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

const record = `{"core-uuid":"c","channel_data":{"direction":"outbound"},
 "variables":{"uuid":"u1","direction":"outbound","start_epoch":"1795285402","answer_epoch":"1795285404","end_epoch":"1795285410",
  "hangup_cause":"NORMAL_CLEARING","hangup_cause_q850":"16","customer_id":"M%C3%BCller","record_path":"/a%20b.wav","sip_hangup_disposition":"recv_bye"},
 "callflow":[{"caller_profile":{"destination_number":"13800138000"},"times":{"bridged_time":"1795285405500000"}}]}`

func want() rows.Call {
	return rows.Call{CallID: "freeswitch-u1", Direction: "outbound", CustomerID: "Müller", Purpose: "sales", StartedAt: "2026-11-21T18:23:22.000Z",
		AnsweredAt: "2026-11-21T18:23:24.000Z", BridgedAt: "2026-11-21T18:23:25.500Z", EndedAt: "2026-11-21T18:23:30.000Z", Outcome: "answered",
		HangupBy: "customer", HangupCause: 16, Recording: &rows.Recording{URI: "/a b.wav"}}
}

func call(t *testing.T, r rows.Row) rows.Call {
	t.Helper()
	var c rows.Call
	if err := json.Unmarshal(r.JSON, &c); err != nil {
		t.Fatal(err)
	}
	c.EventID = ""
	return c
}

func TestForms(t *testing.T) {
	object := strings.NewReplacer(`[{"caller`, `{"caller`, `}}]}`, `}}}`).Replace(record)
	line := strings.ReplaceAll(record, "\n", "")
	for name, s := range map[string]string{"object": record, "array": "[" + record + "]", "lines": line + "\n", "an old callflow": object} {
		it, err := NewJSON(strings.NewReader(s), Options{Purpose: "sales"}).Read()
		if err != nil || it.Broken != "" {
			t.Fatalf("%s: %v %s", name, err, it.Broken)
		}
		if d := cmp.Diff(want(), call(t, it.Rows[0])); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for name, s := range map[string]string{"raw": record, "form": "cdr=" + url.QueryEscape(record), "base64": base64.StdEncoding.EncodeToString([]byte(record))} {
		rs, err := FromRequest(&http.Request{Header: http.Header{}}, []byte(s), Options{Purpose: "sales"})
		if err != nil || len(rs) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want(), call(t, rs[0])); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, s := range []string{"", "x=1", "{", "!!", "[]", "{}"} {
		if rs, err := FromRequest(&http.Request{Header: http.Header{}}, []byte(s), Options{}); err == nil {
			t.Errorf("%q gave %d records", s, len(rs))
		}
	}
}

// A broken record costs itself alone.
func TestBrokenBetween(t *testing.T) {
	line := strings.ReplaceAll(record, "\n", "")
	r := NewJSON(strings.NewReader(line+"\n{\"variables\": oops}\n"+line+"\n"), Options{Purpose: "sales"})
	var good, bad []int
	for {
		it, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if it.Broken != "" {
			bad = append(bad, it.Pos[0].Line)
		} else {
			good = append(good, it.Pos[0].Line)
		}
	}
	if d := cmp.Diff([]int{1, 3}, good) + cmp.Diff([]int{2}, bad); d != "" {
		t.Error(d)
	}
}

func TestXML(t *testing.T) {
	const s = `<?xml version="1.0"?><cdr core-uuid="c"><variables><uuid>u1</uuid><direction>outbound</direction><sip_h_X:y>1</sip_h_X:y>
<start_epoch>1795285402</start_epoch><end_epoch>1795285410</end_epoch><hangup_cause>USER_BUSY</hangup_cause><hangup_cause_q850>17</hangup_cause_q850>
<uuid>u2</uuid></variables><callflow><caller_profile><destination_number>13800138000</destination_number></caller_profile></callflow></cdr>`
	it, err := NewXML(strings.NewReader(s), Options{Purpose: "sales"}).Read()
	if err != nil || it.Broken != "" {
		t.Fatalf("%v %s", err, it.Broken)
	}
	w := rows.Call{CallID: "freeswitch-u1", Direction: "outbound", Number: "13800138000", Purpose: "sales", StartedAt: "2026-11-21T18:23:22.000Z",
		EndedAt: "2026-11-21T18:23:30.000Z", Outcome: "busy", HangupCause: 17}
	if d := cmp.Diff(w, call(t, it.Rows[0])); d != "" {
		t.Error(d)
	}
}
