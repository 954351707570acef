package dashboards

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What a push did to a dashboard.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
	Refused   = "refused" // edited by hand since the last push
)

// Pushed is what became of one dashboard.
type Pushed struct {
	UID    string `json:"uid"`
	Result string `json:"result"`
	Detail string `json:"detail,omitempty"`
}

// Pusher puts dashboards into a Grafana. Each version it makes bears the hash of what it pushed in its message, so that
// the next push knows whether anything is new, and whether somebody else has made a version since.
type Pusher struct {
	URL, Token string
	Folder     string // title
	Zone       string
	Overwrite  bool // also what was edited by hand
	DryRun     bool
	Timeout    time.Duration // of one request
}

// there is what Grafana has under a uid.
type there struct {
	exists  bool
	version int
	message string // of its newest version
	author  string
}

const messagePrefix = "ringfence dashboards push "

// decide is what a push does; it has no side effects.
func decide(have there, hash string, overwrite bool) string {
	switch {
	case !have.exists:
		return Created
	case have.message == messagePrefix+hash:
		return Unchanged
	case !strings.HasPrefix(have.message, messagePrefix) && !overwrite:
		return Refused
	}
	return Updated
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// Push makes the folder and puts the dashboards into it. It goes on after a refusal and stops at an error.
func (p Pusher) Push(ctx context.Context, ds []Dashboard, langs []Lang) ([]Pushed, error) {
	if err := p.folder(ctx); err != nil {
		return nil, fmt.Errorf("folder %q: %w", p.Folder, err)
	}
	var out []Pushed
	for _, l := range langs {
		for _, d := range ds {
			b, err := Grafana(d, p.Zone, l)
			if err != nil {
				return out, fmt.Errorf("dashboard %s: %w", d.UID, err)
			}
			done, err := p.one(ctx, d.GrafanaUID(l), b)
			if err != nil {
				return out, fmt.Errorf("dashboard %s: %w", d.GrafanaUID(l), err)
			}
			out = append(out, done)
		}
	}
	return out, nil
}

// folderUID of a title: the same title is the same folder.
func (p Pusher) folderUID() string {
	return "ringfence-" + hashOf([]byte(p.Folder))[:8]
}

func (p Pusher) folder(ctx context.Context) error {
	err := p.call(ctx, http.MethodGet, "/api/folders/"+p.folderUID(), nil, nil)
	var status *statusError
	if err == nil || p.DryRun && errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil
	}
	if !errors.As(err, &status) || status.code != http.StatusNotFound {
		return err
	}
	err = p.call(ctx, http.MethodPost, "/api/folders", map[string]any{"uid": p.folderUID(), "title": p.Folder}, nil)
	if errors.As(err, &status) && (status.code == http.StatusConflict || status.code == http.StatusPreconditionFailed) {
		return nil // somebody made it in between
	}
	return err
}

func (p Pusher) one(ctx context.Context, uid string, body []byte) (Pushed, error) {
	have, err := p.look(ctx, uid)
	if err != nil {
		return Pushed{}, err
	}
	hash := hashOf(body)
	done := Pushed{UID: uid, Result: decide(have, hash, p.Overwrite)}
	switch done.Result {
	case Refused:
		done.Detail = "edited by " + have.author
		if have.message != "" {
			done.Detail += ": " + have.message
		}
		return done, nil
	case Unchanged:
		return done, nil
	}
	if p.DryRun {
		done.Detail = "not done: dry run"
		return done, nil
	}
	var answer struct {
		Version int    `json:"version"`
		URL     string `json:"url"`
	}
	var model map[string]any
	if err := json.Unmarshal(body, &model); err != nil {
		return Pushed{}, err
	}
	if have.exists { // who saves between the look and now makes this a conflict
		model["version"] = have.version
	}
	err = p.call(ctx, http.MethodPost, "/api/dashboards/db", map[string]any{"dashboard": model, "folderUid": p.folderUID(), "message": messagePrefix + hash, "overwrite": p.Overwrite}, &answer)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusPreconditionFailed {
		return Pushed{UID: uid, Result: Refused, Detail: "edited this very moment: " + status.text}, nil
	}
	if err != nil {
		return Pushed{}, err
	}
	done.Detail = fmt.Sprintf("version %d, %s", answer.Version, answer.URL)
	return done, nil
}

// look asks for the newest version of a dashboard.
func (p Pusher) look(ctx context.Context, uid string) (there, error) {
	var raw json.RawMessage
	err := p.call(ctx, http.MethodGet, "/api/dashboards/uid/"+url.PathEscape(uid)+"/versions?limit=1", nil, &raw)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return there{}, nil
	}
	if err != nil {
		return there{}, err
	}
	type version struct {
		Version   int    `json:"version"`
		Message   string `json:"message"`
		CreatedBy string `json:"createdBy"`
	}
	var list []version
	if err := json.Unmarshal(raw, &list); err != nil { // Grafana 11 and later wrap it
		var wrapped struct {
			Versions []version `json:"versions"`
		}
		if err := json.Unmarshal(raw, &wrapped); err != nil {
			return there{}, fmt.Errorf("read its versions: expected a list: %w", err)
		}
		list = wrapped.Versions
	}
	newest := there{exists: true, author: "somebody unknown"}
	top := -1
	for _, v := range list {
		if v.Version > top {
			top, newest.version, newest.message = v.Version, v.Version, v.Message
			if v.CreatedBy != "" {
				newest.author = v.CreatedBy
			}
		}
	}
	return newest, nil
}

// statusError is an answer other than 2xx.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return fmt.Sprintf("Grafana answers %d: %s", e.code, e.text) }

func (p Pusher) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(p.URL, "/")+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var said struct {
			Message string `json:"message"`
		}
		text := strings.TrimSpace(string(answer))
		if json.Unmarshal(answer, &said) == nil && said.Message != "" {
			text = said.Message
		}
		return &statusError{resp.StatusCode, text[:min(len(text), 300)]}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", method, path, err)
	}
	return nil
}
