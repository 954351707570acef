package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/decode"
)

// rejected is one refused line.
type rejected struct {
	Line    int    `json:"line"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// events takes one object, or many as NDJSON.
func (a *API) events(kind decode.Kind) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mt, ok := mediaType(w, r, "application/json", "application/x-ndjson")
		if !ok {
			return
		}
		body, ok := readBody(w, r)
		if !ok {
			return
		}
		if mt == "application/x-ndjson" {
			a.batch(w, r, kind, body)
			return
		}
		e, problems := a.decoder.Decode(kind, body)
		if e != nil {
			if p := a.confine(r, e); p != nil {
				fail(w, http.StatusForbidden, "Another partner's event", p.Detail, *p)
				return
			}
		}
		if problems != nil {
			a.metrics.rejected.WithLabelValues(string(kind)).Inc()
			refuse(w, problems)
			return
		}
		if err := a.Deliver(r.Context(), []*decode.Event{e}); err != nil {
			a.kafkaAway(w, err)
			return
		}
		answer(w, http.StatusAccepted, map[string]string{"event_id": e.EventID})
	})
}

// confine holds a partner's token to its own partner: events without one get it.
func (a *API) confine(r *http.Request, e *decode.Event) *decode.Problem {
	own := callerOf(r).partner
	if own == "" || e.Partner == own {
		return nil
	}
	if e.Partner != "" {
		return &decode.Problem{Pointer: "/partner_id", Detail: fmt.Sprintf("this token may only send events of %q", own), Status: http.StatusForbidden}
	}
	switch m := e.Message.(type) {
	case *event.CustomerEvent:
		if c := m.GetCall(); c != nil {
			c.PartnerId, c.FieldsSet = own, c.FieldsSet|1<<13
		}
		if c := m.GetComplaint(); c != nil {
			c.PartnerId = own
		}
		if p := m.GetPermitRequest(); p != nil {
			p.PartnerId = own
		}
	case *event.AgentEvent:
		if s := m.GetState(); s != nil {
			s.PartnerId = own
		}
		if s := m.GetSchedule(); s != nil {
			s.PartnerId = own
		}
	case *event.Campaign:
		m.PartnerId = own
	}
	e.Partner = own
	return nil
}

func (a *API) batch(w http.ResponseWriter, r *http.Request, kind decode.Kind, body []byte) {
	var good []*decode.Event
	bad := []rejected{}
	var letters []Letter
	resends := r.URL.Query().Get("resends") == "number"
	line := 0
	for len(body) > 0 {
		var raw []byte
		raw, body, _ = bytes.Cut(body, []byte{'\n'})
		line++
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		e, problems := a.decoder.Decode(kind, raw)
		if e != nil {
			if p := a.confine(r, e); p != nil {
				problems = decode.Problems{*p}
			}
		}
		if problems == nil {
			good = append(good, e)
			continue
		}
		bad = append(bad, rejected{line, problems[0].Pointer, problems.Error()})
		if resends && problems[0].Pointer == "/number" {
			continue // it comes again in another form
		}
		letters = append(letters, Letter{"api:" + string(kind), problems.Error(), problems[0].Pointer, raw})
	}
	if err := a.Letters(r.Context(), letters); err != nil {
		a.kafkaAway(w, err)
		return
	}
	deliver := a.Deliver
	if hasTime(r) {
		deliver = a.deliverPaced
	}
	if err := deliver(r.Context(), good); errors.Is(err, errBehind) {
		busy(w, 1)
		return
	} else if err != nil {
		a.kafkaAway(w, err)
		return
	}
	a.metrics.rejected.WithLabelValues(string(kind)).Add(float64(len(bad)))
	answer(w, http.StatusOK, map[string]any{"accepted": len(good), "rejected": bad})
}

func (a *API) produce(ctx context.Context, records []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	return a.producer.ProduceSync(ctx, records...).FirstErr()
}

// Deliver produces events and returns when all replicas have them and every event named by number alone is with the
// customer the number belonged to at the event's time.
func (a *API) Deliver(ctx context.Context, events []*decode.Event) error {
	_, err := a.deliver(ctx, events)
	return err
}

// deliver also tells the end of what it added to the partitions of customer events.
func (a *API) deliver(ctx context.Context, events []*decode.Event) (ends map[int32]int64, err error) {
	ends = map[int32]int64{}
	note := func(records []*kgo.Record) {
		for _, r := range records {
			if r.Topic == event.TopicCustomerEvents {
				ends[r.Partition] = max(ends[r.Partition], r.Offset+1)
			}
		}
	}
	records := make([]*kgo.Record, 0, len(events))
	var byNumber []*decode.Event
	for _, e := range events {
		if e.Customer != nil && e.Customer.ByNumber {
			a.resolve(e)
			byNumber = append(byNumber, e)
		}
		for x := e; x != nil; x = x.Also {
			rec, err := record(x)
			if err != nil {
				return nil, err
			}
			records = append(records, rec)
		}
	}
	if err := a.produce(ctx, records); err != nil {
		return nil, err
	}
	note(records)
	for len(byNumber) > 0 {
		// Owners may have changed meanwhile: who has a number at the directory's end as of now is checked after the
		// event was acknowledged, so a change that came later finds the event and takes it along.
		if err := a.dir.catchUp(ctx); err != nil {
			return nil, err
		}
		var again []*decode.Event
		var more []*kgo.Record
		for _, e := range byNumber {
			if !a.resolve(e) {
				continue
			}
			rec, err := record(e)
			if err != nil {
				return nil, err
			}
			more, again = append(more, rec), append(again, e)
		}
		if err := a.produce(ctx, more); err != nil {
			return nil, err
		}
		note(more)
		byNumber = again
	}
	for _, e := range events {
		a.metrics.accepted.WithLabelValues(string(e.Kind)).Inc()
	}
	return ends, nil
}

// resolve puts the number's owner on the event; true if that changed it.
func (a *API) resolve(e *decode.Event) bool {
	ce := e.Customer
	owner := a.dir.owner(ce.NumberHash, e.At)
	if owner == "" {
		owner = event.UnknownCustomerPrefix + ce.NumberHash
	}
	if owner == ce.CustomerId {
		return false
	}
	ce.CustomerId, e.Key = owner, owner
	return true
}

func record(e *decode.Event) (*kgo.Record, error) {
	v, err := e.Message.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.EventID, err)
	}
	return &kgo.Record{Topic: e.Topic, Key: []byte(e.Key), Value: v}, nil
}

// freeSwitch takes mod_json_cdr's posts.
func (a *API) freeSwitch(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	objects, err := a.deps.FreeSwitch(r, body)
	if err != nil {
		fail(w, http.StatusBadRequest, "The body is no CDR of FreeSWITCH", err.Error())
		return
	}
	var events []*decode.Event
	for _, o := range objects {
		e, problems := a.decoder.Decode(decode.Calls, o)
		if e != nil {
			if p := a.confine(r, e); p != nil {
				fail(w, http.StatusForbidden, "Another partner's call", p.Detail, *p)
				return
			}
		}
		if problems != nil {
			if err := a.Letters(r.Context(), []Letter{{"freeswitch", problems.Error(), problems[0].Pointer, body}}); err != nil {
				a.kafkaAway(w, err)
				return
			}
			refuse(w, problems)
			return
		}
		events = append(events, e)
	}
	if err := a.Deliver(r.Context(), events); err != nil {
		a.kafkaAway(w, err)
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"accepted": len(events)})
}
