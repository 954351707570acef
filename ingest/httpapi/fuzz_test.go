package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ringfence/ringfence/ingest/decode"
)

// FuzzBody sends bodies of any kind through the whole API, to Kafka: each is taken or refused as the contract says
// (section 1), and sent again it gets the same answer.
func FuzzBody(f *testing.F) {
	b := start(f, nil)
	kinds := append(decode.Kinds(), decode.Permits)
	index := func(k decode.Kind) byte { return byte(slices.Index(kinds, k)) }
	for _, s := range []struct {
		kind decode.Kind
		body string
	}{
		{decode.Calls, goodCall},
		{decode.Calls, goodCall + "\n" + `{"call_id":"c1"` + "\n\n" + strings.ReplaceAll(goodCall, `"c1"`, `"c2"`)},
		{decode.Calls, `{"call_id":"c1","number":"13800138000","updated_at":"2026-03-02T10:05:00+08:00","recording":{"size_bytes":45},"refused":["p"]}`},
		{decode.AgentStates, `{"agent_id":"a","state":"break","at":"2026-03-02T10:00:00Z"}`},
		{decode.Customers, `{"customer_id":"k","at":"2026-03-02T10:00:00Z","numbers":["+8613800138000"],"lists":{"optout":true},"products":{"p":"cancelled"},"merges":["k2"]}`},
		{decode.Complaints, `{"complaint_id":"x","event":"opened","at":"2026-03-02T10:00:00Z","customer_id":"k","severity":"serious"}`},
		{decode.Surveys, `{"call_id":"c1","at":"2026-03-02T10:00:00Z","score":"satisfied"}`},
		{decode.Leads, `{"lead_id":"l","campaign_id":"c","numbers":["13800138000"],"at":"2026-03-02T10:00:00Z","attributes":{"a":"b"}}`},
		{decode.Schedules, `{"agent_id":"a","start_at":"2026-03-02T10:00:00Z","end_at":"2026-03-02T11:00:00Z"}`},
		{decode.Campaigns, `{"campaign_id":"c","at":"2026-03-02T10:00:00Z","status":"running","pacing":{"mode":"predictive"}}`},
		{decode.Permits, `{"request_id":"r","customer_id":"k","purpose":"sales"}`},
		{decode.Permits, `{"request_id":"r","number":"1380013","purpose":"sales","at":"2026-03-02T10:00:00Z"}`},
	} {
		for packing := range byte(3) {
			f.Add(index(s.kind), packing, strings.Contains(s.body, "\n"), []byte(s.body))
		}
	}
	f.Add(byte(0), byte(3), false, []byte(goodCall)) // says gzip and is none
	f.Add(byte(0), byte(4), false, []byte(goodCall))
	f.Add(byte(0), byte(5), false, []byte(goodCall))
	pack := func(packing byte, body []byte) (string, []byte) {
		var out bytes.Buffer
		switch packing % 6 {
		case 1:
			z := gzip.NewWriter(&out)
			_, _ = z.Write(body)
			_ = z.Close()
			return "gzip", out.Bytes()
		case 2:
			z, _ := zstd.NewWriter(&out)
			_, _ = z.Write(body)
			_ = z.Close()
			return "zstd", out.Bytes()
		case 3:
			return "gzip", body
		case 4:
			return "zstd", body
		case 5:
			return "br", body
		}
		return "", body
	}
	f.Fuzz(func(t *testing.T, kind, packing byte, lines bool, raw []byte) {
		k := kinds[int(kind)%len(kinds)]
		encoding, body := pack(packing, raw)
		send := func() (int, string, []byte) {
			// Nobody decides permits here: what is of the right form is asked for, and times out.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if k == decode.Permits {
				var quick context.CancelFunc
				ctx, quick = context.WithTimeout(ctx, time.Millisecond)
				defer quick()
			}
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/"+string(k), bytes.NewReader(body))
			if encoding != "" {
				r.Header.Set("Content-Encoding", encoding)
			}
			if lines {
				r.Header.Set("Content-Type", "application/x-ndjson")
			}
			w := httptest.NewRecorder()
			b.h.ServeHTTP(w, r)
			return w.Code, w.Header().Get("Content-Type"), w.Body.Bytes()
		}
		code, form, answer := send()
		if err := promised(k, code, form, answer, lines, raw); err != nil {
			t.Fatalf("%s %q: %d %s: %v", k, raw, code, answer, err)
		}
		if code == http.StatusServiceUnavailable {
			return
		}
		if again, _, same := send(); again != code || !bytes.Equal(same, answer) {
			t.Fatalf("%s %q: %d %s, and sent again %d %s", k, raw, code, answer, again, same)
		}
	})
}

// promised tells whether an answer is one of the contract's.
func promised(k decode.Kind, code int, form string, answer []byte, lines bool, raw []byte) error {
	strict := func(into any) error {
		d := json.NewDecoder(bytes.NewReader(answer))
		d.DisallowUnknownFields()
		return d.Decode(into)
	}
	switch code {
	case http.StatusOK:
		var x struct {
			Accepted int        `json:"accepted"`
			Rejected []rejected `json:"rejected"`
		}
		if err := strict(&x); err != nil || !lines {
			return fmt.Errorf("no batch's answer: %w", err)
		}
		n, last := 0, 0
		all := bytes.Split(raw, []byte{'\n'})
		for _, l := range all {
			if len(bytes.TrimSpace(l)) > 0 {
				n++
			}
		}
		for _, r := range x.Rejected {
			if r.Line <= last || r.Line > len(all) || r.Detail == "" || r.Pointer != "" && r.Pointer[0] != '/' {
				return fmt.Errorf("line %+v", r)
			}
			last = r.Line
		}
		if x.Accepted+len(x.Rejected) != n {
			return fmt.Errorf("%d lines were sent", n)
		}
	case http.StatusAccepted:
		var x struct {
			EventID string `json:"event_id"`
		}
		if err := strict(&x); err != nil || x.EventID == "" || lines || k == decode.Permits {
			return fmt.Errorf("no event's answer: %w", err)
		}
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable:
		var p problem
		if err := strict(&p); err != nil || form != "application/problem+json" || p.Status != code || p.Title == "" || p.Detail == "" || p.Type == "" {
			return fmt.Errorf("no problem's form: %w", err)
		}
		for _, e := range p.Errors {
			if e.Detail == "" || e.Pointer != "" && e.Pointer[0] != '/' {
				return fmt.Errorf("problem %+v", e)
			}
		}
		if code == http.StatusServiceUnavailable && k != decode.Permits {
			return fmt.Errorf("kafka is there")
		}
	default:
		return fmt.Errorf("not a status of the contract")
	}
	return nil
}
