package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/decode"
	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/internal/permits"
)

// clockSkew is how far a request's `at` may be from the server's clock.
const clockSkew = 5 * time.Second

// decisionJSON is the contract's answer (CONTRACT.md section 3).
type decisionJSON struct {
	Decision      string       `json:"decision"`
	PermitID      string       `json:"permit_id,omitempty"`
	RequestID     string       `json:"request_id"`
	CustomerID    string       `json:"customer_id"`
	At            string       `json:"at"`
	ExpiresAt     string       `json:"expires_at,omitempty"`
	Policy        string       `json:"policy"`
	DeniedBy      []denialJSON `json:"denied_by,omitempty"`
	NextAllowedAt *nullable    `json:"next_allowed_at,omitempty"`
}

type denialJSON struct {
	Rule          string    `json:"rule"`
	Used          *int64    `json:"used,omitempty"`
	Limit         *int64    `json:"limit,omitempty"`
	NextAllowedAt *nullable `json:"next_allowed_at"`
	Detail        string    `json:"detail"`
}

// nullable is a time that may be null.
type nullable string

func (n *nullable) MarshalJSON() ([]byte, error) {
	if *n == "" {
		return []byte("null"), nil
	}
	return []byte(`"` + string(*n) + `"`), nil
}

// stamp prints a time in a zone, milliseconds only where there are any.
func stamp(ms int64, zone *time.Location) string {
	if ms == 0 {
		return ""
	}
	t := time.UnixMilli(ms).In(zone)
	if ms%1000 == 0 {
		return t.Format("2006-01-02T15:04:05Z07:00")
	}
	return t.Format("2006-01-02T15:04:05.000Z07:00")
}

func (a *API) askPermit(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	a.askedAt.Store(began.UnixMilli())
	if _, ok := mediaType(w, r, "application/json"); !ok {
		return
	}
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	e, problems := a.decoder.Decode(decode.Permits, body)
	if problems != nil {
		refuse(w, problems)
		return
	}
	if p := a.confine(r, e); p != nil {
		fail(w, http.StatusForbidden, "Another partner's request", p.Detail, *p)
		return
	}
	req := e.Customer.GetPermitRequest()
	now := a.deps.Now()
	if req.At == 0 {
		req.At = now.UnixMilli()
	} else if d := now.Sub(time.UnixMilli(req.At)); !a.deps.Config.API.TrustClientTime && (d > clockSkew || d < -clockSkew) {
		refuse(w, decode.Problems{{Pointer: "/at", Detail: "is more than 5 s from this server's clock", Status: 422}})
		return
	}
	e.At = req.At
	req.TtlMs = a.deps.Config.PermitTTL.Milliseconds()
	if e.Customer.ByNumber {
		if err := a.dir.catchUp(r.Context()); err != nil {
			a.kafkaAway(w, err)
			return
		}
		a.resolve(e)
	}
	d, err := a.permits.Ask(r.Context(), e.Customer)
	if err != nil {
		a.metrics.asked(began, "none")
		if errors.Is(err, permits.ErrBusy) {
			busy(w, 1)
			return
		}
		a.kafkaAway(w, err)
		return
	}
	a.metrics.asked(began, d.Decision)
	answer(w, http.StatusOK, decisionOf(d))
}

func decisionOf(d *event.PermitDecision) *decisionJSON {
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	at := func(ms int64) *nullable { n := nullable(stamp(ms, zone)); return &n }
	out := &decisionJSON{Decision: d.Decision, PermitID: d.PermitId, RequestID: d.RequestId, CustomerID: d.CustomerId, At: stamp(d.At, zone),
		ExpiresAt: stamp(d.ExpiresAt, zone), Policy: d.Policy}
	if d.Decision == "deny" {
		out.NextAllowedAt = at(d.NextAllowedAt)
		for _, x := range d.DeniedBy {
			out.DeniedBy = append(out.DeniedBy, denialJSON{Rule: x.Rule, Used: x.Used, Limit: x.Limit, NextAllowedAt: at(x.NextAllowedAt), Detail: x.Detail})
		}
	}
	return out
}

func (a *API) releasePermit(w http.ResponseWriter, r *http.Request) {
	status, err := a.permits.Release(r.Context(), r.PathValue("id"), a.deps.Now().UnixMilli(), Partner(r))
	switch {
	case errors.Is(err, permits.ErrBusy):
		busy(w, 1)
	case err != nil:
		a.kafkaAway(w, err)
	case status == http.StatusNoContent:
		w.WriteHeader(http.StatusNoContent)
	case status == http.StatusConflict:
		fail(w, status, "The permit was used", "a call was made with it already")
	default:
		fail(w, http.StatusNotFound, "The permit is not known", r.PathValue("id"))
	}
}

// caps answers the contract's explanation for one customer.
func (a *API) caps(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	req := &event.PermitRequest{Purpose: "sales", Products: q["product"], CampaignId: q.Get("campaign"), CallerId: q.Get("caller_id"), Recording: true, At: a.deps.Now().UnixMilli(),
		PartnerId: Partner(r)} // who is confined asks as that partner, as for a permit, and is not shown others' evidence
	for name := range q {
		switch name {
		case "product", "purpose", "campaign", "at", "caller_id":
		default:
			refuse(w, decode.Problems{{Pointer: "/" + name, Detail: "is not a parameter here: product, purpose, campaign, at, caller_id are", Status: 400}})
			return
		}
	}
	if p := q.Get("purpose"); p != "" {
		if !decode.IsPurpose(p) {
			refuse(w, decode.Problems{{Pointer: "/purpose", Detail: "is not a purpose", Status: 422}})
			return
		}
		req.Purpose = p
	}
	if s := q.Get("at"); s != "" {
		ms, err := decode.Instant(s)
		if err != nil {
			refuse(w, decode.Problems{{Pointer: "/at", Detail: err.Error(), Status: 422}})
			return
		}
		req.At = ms
	}
	b, err := a.Explain(r.Context(), r.PathValue("id"), req)
	switch {
	case errors.Is(err, permits.ErrBusy):
		busy(w, 1)
	case err != nil:
		a.kafkaAway(w, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(b, '\n'))
	}
}

// Explain says what every rule says of a customer, named by id, by number or by "n:" and a number's hash: the
// contract's JSON. To a request with a partner evidence of others is counted and not shown.
func (a *API) Explain(ctx context.Context, customer string, req *event.PermitRequest) ([]byte, error) {
	byNumber, hash := false, ""
	if h, ok := strings.CutPrefix(customer, event.UnknownCustomerPrefix); ok {
		hash = h
	}
	if n, err := number.Normalize(customer, a.deps.Config.Ingest.DefaultRegion); err == nil && customer[0] == '+' {
		hash = a.deps.Key.Hash(n)
	}
	if hash != "" {
		byNumber = true
		if err := a.dir.catchUp(ctx); err != nil {
			return nil, err
		}
		if customer = a.dir.owner(hash, req.At); customer == "" {
			customer = event.UnknownCustomerPrefix + hash
		}
	}
	return a.permits.Explain(ctx, customer, byNumber, hash, req)
}
