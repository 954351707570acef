package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ringfence/ringfence/event"
)

// Sink takes objects of one kind and tells which lines it refused. When it returns without an error the others are
// acknowledged. It may be called again with the same lines. With resends set a line of which the number is refused comes
// again without it: it is not lost yet, and no dead letter.
type Sink interface {
	Send(ctx context.Context, kind string, lines [][]byte, resends bool) ([]Refused, error)
}

// Refused is a line that was not taken; lines count from 1.
type Refused struct {
	Line    int    `json:"line"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

func (r Refused) String() string {
	if r.Pointer == "" {
		return r.Detail
	}
	return r.Pointer + ": " + r.Detail
}

// Broken is a row that could not be read.
type Broken struct {
	Source string `json:"source"`
	Path   string `json:"path"`
	Line   int    `json:"line"`
	Detail string `json:"detail"`
	Raw    string `json:"raw"`
}

// DeadLetter takes rows that could not be read.
type DeadLetter interface {
	Put(ctx context.Context, rows []Broken) error
}

// HTTP delivers to a running system. It is a Sink, Marks and a DeadLetter.
type HTTP struct {
	Base   string
	Token  string
	Client *http.Client
	// Patience is how long a system that is busy or away is waited for; 0 = 10 minutes.
	Patience time.Duration
}

// Send posts lines to /v1/{kind}.
func (h *HTTP) Send(ctx context.Context, kind string, lines [][]byte, resends bool) ([]Refused, error) {
	body := append(bytes.Join(lines, []byte{'\n'}), '\n')
	var answer struct {
		Rejected []Refused `json:"rejected"`
	}
	path := "/v1/" + kind
	if resends {
		path += "?resends=number"
	}
	if _, err := h.do(ctx, http.MethodPost, path, "application/x-ndjson", body, &answer); err != nil {
		return nil, err
	}
	return answer.Rejected, nil
}

// Load gets /v1/imports/{digest}.
func (h *HTTP) Load(ctx context.Context, digest string) (*event.ImportMark, error) {
	var raw json.RawMessage
	status, err := h.do(ctx, http.MethodGet, "/v1/imports/"+digest, "", nil, &raw)
	if err != nil || status == http.StatusNotFound {
		return nil, err
	}
	m := &event.ImportMark{}
	if err := protojson.Unmarshal(raw, m); err != nil {
		return nil, fmt.Errorf("decode the mark: %w", err)
	}
	return m, nil
}

// Save puts /v1/imports/{digest}.
func (h *HTTP) Save(ctx context.Context, m *event.ImportMark) error {
	b, err := protojson.Marshal(m)
	if err != nil {
		return err
	}
	_, err = h.do(ctx, http.MethodPut, "/v1/imports/"+m.Digest, "application/json", b, nil)
	return err
}

// Put posts to /v1/imports/dead-letter.
func (h *HTTP) Put(ctx context.Context, rows []Broken) error {
	b, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = h.do(ctx, http.MethodPost, "/v1/imports/dead-letter", "application/json", b, nil)
	return err
}

// do sends until there is an answer other than 429, 502, 503 or 504. 404 to a GET is no error.
func (h *HTTP) do(ctx context.Context, method, path, contentType string, body []byte, into any) (int, error) {
	patience := h.Patience
	if patience == 0 {
		patience = 10 * time.Minute
	}
	until := time.Now().Add(patience)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		status, after, answer, err := h.once(ctx, method, path, contentType, body)
		if err == nil {
			switch {
			case status == http.StatusNotFound && method == http.MethodGet:
				return status, nil
			case status >= 200 && status < 300:
				if into == nil {
					return status, nil
				}
				if err := json.Unmarshal(answer, into); err != nil {
					return status, fmt.Errorf("decode the answer of %s: %w", path, err)
				}
				return status, nil
			}
			err = fmt.Errorf("%s %s answered %d: %s", method, path, status, bytes.TrimSpace(answer[:min(len(answer), 512)]))
			switch status {
			case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			default:
				return status, err
			}
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		pause := max(wait, after)
		if time.Now().Add(pause).After(until) {
			return 0, fmt.Errorf("gave up after %s: %w", patience, err)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return 0, ctx.Err()
		case <-t.C:
		}
	}
}

func (h *HTTP) once(ctx context.Context, method, path, contentType string, body []byte) (int, time.Duration, []byte, error) {
	var z bytes.Buffer
	if body != nil {
		w := gzip.NewWriter(&z)
		_, err := w.Write(body)
		if err = errors.Join(err, w.Close()); err != nil {
			return 0, 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(h.Base, "/")+path, &z)
	if err != nil {
		return 0, 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Content-Encoding", "gzip")
		req.Header.Set("Priority", "u=7") // permits go first
	}
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	c := h.Client
	if c == nil {
		c = http.DefaultClient
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, 0, nil, err
	}
	var after time.Duration
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		after = time.Duration(s) * time.Second
	}
	return resp.StatusCode, after, answer, nil
}
