package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/permits"
)

// Direct asks permits over Kafka, without HTTP between: for dialers that ask thousands a second. It gives the same
// answers under the same contract; customers are named by customer_id, since only the API can hash numbers.
type Direct struct {
	gateway  *permits.Gateway
	producer *kgo.Client
	ttl      time.Duration
	dialer   string
}

// DirectOptions say where Kafka is and how long to wait.
type DirectOptions struct {
	Kafka      []kgo.Opt     // seed brokers, TLS, SASL; required
	Timeout    time.Duration // a request that is not decided by then is void; default 2 s
	MaxWaiting int           // requests that may wait at once, default 4096; fewer while answers are late
	PermitTTL  time.Duration // a permit must be dialled within, as the API's permit_ttl; default 60 s
	DialerID   string        // of requests that name none
}

// ErrNoDecision says that no decision came in time. Nothing is reserved: the request may be asked again.
var ErrNoDecision = permits.ErrTimeout

// ErrBusy says that as many requests are waiting as can be answered in time: ask again later.
var ErrBusy = permits.ErrBusy

// NewDirect connects. Run must be running before permits are asked for.
func NewDirect(ctx context.Context, o DirectOptions) (*Direct, error) {
	if o.PermitTTL <= 0 {
		o.PermitTTL = time.Minute
	}
	producer, err := kgo.NewClient(append(append([]kgo.Opt{}, o.Kafka...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		return nil, fmt.Errorf("open a producer: %w", err)
	}
	topics, err := kadm.NewClient(producer).ListTopics(ctx, event.TopicPermitDecisions)
	if err == nil {
		err = topics[event.TopicPermitDecisions].Err
	}
	if err != nil {
		producer.Close()
		return nil, fmt.Errorf("look at %s: %w", event.TopicPermitDecisions, err)
	}
	g, err := permits.New(ctx, permits.Options{Base: o.Kafka, Producer: producer, Partitions: int32(len(topics[event.TopicPermitDecisions].Partitions)), Timeout: o.Timeout, MaxWaiting: o.MaxWaiting})
	if err != nil {
		producer.Close()
		return nil, err
	}
	return &Direct{gateway: g, producer: producer, ttl: o.PermitTTL, dialer: o.DialerID}, nil
}

// Run hears the answers until ctx ends; then it closes the connections.
func (d *Direct) Run(ctx context.Context) error {
	defer d.producer.Close()
	return d.gateway.Run(ctx)
}

// AskPermit asks whether the customer may be dialled now. A decision, permit or deny, is not an error.
func (d *Direct) AskPermit(ctx context.Context, r PermitRequest) (*Decision, error) {
	switch {
	case r.RequestID == "":
		return nil, errors.New("ask a permit: request_id is missing")
	case r.CustomerID == "":
		return nil, errors.New("ask a permit: customer_id is missing (numbers are for the HTTP API)")
	case r.Purpose == "":
		return nil, errors.New("ask a permit: purpose is missing")
	}
	at := time.Now()
	if r.At != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, r.At); err != nil {
			return nil, fmt.Errorf("ask permit %s: at: %w", r.RequestID, err)
		}
	}
	if r.DialerID == "" {
		r.DialerID = d.dialer
	}
	ms := at.UnixMilli()
	ce := &event.CustomerEvent{EventId: "permit:" + r.RequestID, CustomerId: r.CustomerID, ReceivedAt: time.Now().UnixMilli(), Source: "direct",
		Body: &event.CustomerEvent_PermitRequest{PermitRequest: &event.PermitRequest{RequestId: r.RequestID, Purpose: r.Purpose, Products: r.Products, CampaignId: r.CampaignID,
			PartnerId: r.PartnerID, DialerId: r.DialerID, CallerId: r.CallerID, InboundNumber: r.InboundNumber, GuaranteedAgent: r.GuaranteedAgent,
			Recording: r.Recording == nil || *r.Recording, At: ms, TtlMs: d.ttl.Milliseconds()}}}
	p, err := d.gateway.Ask(ctx, ce)
	if err != nil {
		return nil, fmt.Errorf("ask permit %s: %w", r.RequestID, err)
	}
	return decisionOf(p), nil
}

func decisionOf(p *event.PermitDecision) *Decision {
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	moment := func(ms int64) *time.Time {
		if ms == 0 {
			return nil
		}
		t := time.UnixMilli(ms).In(zone)
		return &t
	}
	out := &Decision{Decision: p.Decision, PermitID: p.PermitId, RequestID: p.RequestId, CustomerID: p.CustomerId, At: time.UnixMilli(p.At).In(zone), Policy: p.Policy,
		NextAllowedAt: moment(p.NextAllowedAt)}
	if p.ExpiresAt != 0 {
		out.ExpiresAt = time.UnixMilli(p.ExpiresAt).In(zone)
	}
	for _, x := range p.DeniedBy {
		out.DeniedBy = append(out.DeniedBy, Denial{Rule: x.Rule, Used: x.Used, Limit: x.Limit, NextAllowedAt: moment(x.NextAllowedAt), Detail: x.Detail})
	}
	return out
}

// ReleasePermit gives back a permit that was not dialled. A permit that a call has used already is an *Error with 409.
func (d *Direct) ReleasePermit(ctx context.Context, id string) error {
	status, err := d.gateway.Release(ctx, id, time.Now().UnixMilli(), "")
	switch {
	case err != nil:
		return fmt.Errorf("release permit %s: %w", id, err)
	case status != http.StatusNoContent:
		return fmt.Errorf("release permit %s: %w", id, &Error{Status: status, Detail: http.StatusText(status)})
	}
	return nil
}
