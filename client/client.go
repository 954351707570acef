package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client talks to one ringfence API. The zero Token sends no Authorization header.
type Client struct {
	Base  string // such as http://127.0.0.1:8080
	HTTP  *http.Client
	Token string
	// Retry is how long a call goes on retrying what may be retried (503, 429, a broken connection); 0 = not at all.
	// Every request of the contract is idempotent, so a retry never counts twice.
	Retry time.Duration
}

// PermitRequest is the body of POST /v1/permits.
type PermitRequest struct {
	RequestID       string   `json:"request_id"`
	CustomerID      string   `json:"customer_id,omitempty"`
	Number          string   `json:"number,omitempty"`
	Purpose         string   `json:"purpose"`
	Products        []string `json:"products,omitempty"`
	CampaignID      string   `json:"campaign_id,omitempty"`
	PartnerID       string   `json:"partner_id,omitempty"`
	DialerID        string   `json:"dialer_id,omitempty"`
	CallerID        string   `json:"caller_id,omitempty"`
	InboundNumber   string   `json:"inbound_number,omitempty"`
	GuaranteedAgent bool     `json:"guaranteed_agent,omitempty"`
	Recording       *bool    `json:"recording,omitempty"`
	At              string   `json:"at,omitempty"`
}

// Decision is the answer to a permit request.
type Decision struct {
	Decision      string     `json:"decision"` // permit | deny
	PermitID      string     `json:"permit_id"`
	RequestID     string     `json:"request_id"`
	CustomerID    string     `json:"customer_id"`
	At            time.Time  `json:"at"`
	ExpiresAt     time.Time  `json:"expires_at"`
	Policy        string     `json:"policy"`
	DeniedBy      []Denial   `json:"denied_by"`
	NextAllowedAt *time.Time `json:"next_allowed_at"` // nil in a denial = never
}

// Denial is one rule that denied.
type Denial struct {
	Rule          string     `json:"rule"`
	Used          *int64     `json:"used"`
	Limit         *int64     `json:"limit"`
	NextAllowedAt *time.Time `json:"next_allowed_at"`
	Detail        string     `json:"detail"`
}

// Permitted tells whether the customer may be dialled.
func (d *Decision) Permitted() bool { return d.Decision == "permit" }

// Rejected is one line of a batch that was not taken.
type Rejected struct {
	Line    int    `json:"line"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// BatchResult is the answer to an NDJSON batch.
type BatchResult struct {
	Accepted int        `json:"accepted"`
	Rejected []Rejected `json:"rejected"`
}

// Error is an answer other than the expected one.
type Error struct {
	Status     int
	Detail     string
	RetryAfter time.Duration
}

func (e *Error) Error() string { return fmt.Sprintf("ringfence answered %d: %s", e.Status, e.Detail) }

// AskPermit asks whether the customer may be dialled now. A decision, permit or deny, is not an error.
func (c *Client) AskPermit(ctx context.Context, r PermitRequest) (*Decision, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode permit request: %w", err)
	}
	var d Decision
	if err := c.do(ctx, http.MethodPost, "/v1/permits", "application/json", body, http.StatusOK, &d); err != nil {
		return nil, fmt.Errorf("ask permit %s: %w", r.RequestID, err)
	}
	return &d, nil
}

// ReleasePermit gives back a permit that was not dialled. A permit that a call has used already is an *Error with 409.
func (c *Client) ReleasePermit(ctx context.Context, id string) error {
	if err := c.do(ctx, http.MethodDelete, "/v1/permits/"+url.PathEscape(id), "", nil, http.StatusNoContent, nil); err != nil {
		return fmt.Errorf("release permit %s: %w", id, err)
	}
	return nil
}

// Send delivers objects of one kind (calls, agent-states, customers, ...) as one NDJSON batch. When it returns, the
// accepted ones are acknowledged by Kafka.
func (c *Client) Send(ctx context.Context, kind string, objects ...any) (*BatchResult, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, o := range objects {
		if err := enc.Encode(o); err != nil {
			return nil, fmt.Errorf("encode %s: %w", kind, err)
		}
	}
	var res BatchResult
	if err := c.do(ctx, http.MethodPost, "/v1/"+kind, "application/x-ndjson", b.Bytes(), http.StatusOK, &res); err != nil {
		return nil, fmt.Errorf("send %s: %w", kind, err)
	}
	return &res, nil
}

// Get reads a JSON answer.
func (c *Client) Get(ctx context.Context, path string, q url.Values, into any) error {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return c.do(ctx, http.MethodGet, path, "", nil, http.StatusOK, into)
}

// Post sends one JSON object and reads a JSON answer.
func (c *Client) Post(ctx context.Context, path string, in, into any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return c.do(ctx, http.MethodPost, path, "application/json", body, http.StatusOK, into)
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, want int, into any) error {
	deadline := time.Now().Add(c.Retry)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := c.once(ctx, method, path, contentType, body, want, into)
		if err == nil || !temporary(err) || time.Now().Add(wait).After(deadline) {
			return err
		}
		var e *Error
		if errors.As(err, &e) && e.RetryAfter > wait {
			wait = e.RetryAfter
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func temporary(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	}
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func (c *Client) send(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Base, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return nil, fmt.Errorf("no ringfence answers at %s: %w", c.Base, dial)
	}
	return resp, err
}

func (c *Client) once(ctx context.Context, method, path, contentType string, body []byte, want int, into any) error {
	resp, err := c.send(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != want {
		return problem(resp, answer)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("decode the answer: %w", err)
	}
	return nil
}

// Work posts a body to something that takes its time, hands on how far it is (0..1), and reads its report. It is not
// tried again.
func (c *Client) Work(ctx context.Context, path string, q url.Values, contentType string, body []byte, progress func(float64), into any) error {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	resp, err := c.send(ctx, http.MethodPost, path, contentType, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return problem(resp, answer)
	}
	for dec := json.NewDecoder(resp.Body); ; {
		var line struct {
			Progress float64         `json:"progress"`
			Error    string          `json:"error"`
			Report   json.RawMessage `json:"report"`
		}
		if err := dec.Decode(&line); err != nil {
			return fmt.Errorf("the answer ended before its report: %w", err)
		}
		switch {
		case line.Error != "":
			return errors.New(line.Error)
		case line.Report != nil:
			if err := json.Unmarshal(line.Report, into); err != nil {
				return fmt.Errorf("decode the report: %w", err)
			}
			return nil
		case progress != nil:
			progress(line.Progress)
		}
	}
}

func problem(resp *http.Response, body []byte) *Error {
	e := &Error{Status: resp.StatusCode, Detail: resp.Status}
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct{ Pointer, Detail string }
	}
	if json.Unmarshal(body, &p) == nil && p.Title != "" {
		e.Detail = p.Title
		if p.Detail != "" {
			e.Detail += ": " + p.Detail
		}
		for _, x := range p.Errors {
			if !strings.Contains(e.Detail, x.Detail) {
				e.Detail += "; " + x.Pointer + " " + x.Detail
			}
		}
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}
