package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ringfence/ringfence/internal/config"
)

// sender delivers one message; nil means that the other side has acknowledged it.
type sender interface {
	send(ctx context.Context, m *Message) error
}

// later is an error of a receiver that says when to come back.
type later struct {
	err   error
	after time.Duration
}

func (l *later) Error() string { return l.err.Error() }
func (l *later) Unwrap() error { return l.err }

// answered is the most of an answer that is read.
const answered = 64 << 10

// post sends JSON and takes any 2xx for an acknowledgement.
func post(ctx context.Context, c *http.Client, to string, body []byte, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, masked(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ringfence")
	resp, err := c.Do(req)
	if err != nil {
		return nil, masked(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, answered))
	if err != nil {
		return nil, masked(err)
	}
	if resp.StatusCode/100 == 2 {
		return b, nil
	}
	err = fmt.Errorf("answered %s: %.200s", resp.Status, strings.TrimSpace(string(b)))
	if s, perr := strconv.Atoi(resp.Header.Get("Retry-After")); perr == nil && s > 0 {
		return nil, &later{err, min(time.Duration(s)*time.Second, 10*time.Minute)}
	}
	return nil, err
}

// masked takes the address out of an error: a chat's address is its password.
func masked(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// webhook is sent the message itself, signed after the Standard Webhooks scheme where it has a secret.
type webhook struct {
	client *http.Client
	url    string
	sign   *webhooks.Webhook
}

func newWebhook(c *http.Client, r config.Receiver) (*webhook, error) {
	w := &webhook{client: c, url: r.URL}
	if r.Secret == "" {
		return w, nil
	}
	var err error
	if strings.HasPrefix(r.Secret, "whsec_") {
		w.sign, err = webhooks.NewWebhook(r.Secret)
	} else {
		w.sign, err = webhooks.NewWebhookRaw([]byte(r.Secret))
	}
	return w, err
}

func (w *webhook) send(ctx context.Context, m *Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	now := time.Now()
	h := http.Header{"Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}}
	if w.sign != nil {
		s, err := w.sign.Sign(m.ID, now, b)
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		h.Set("Webhook-Signature", s)
	}
	_, err = post(ctx, w.client, w.url, b, h)
	return err
}

// alertmanager is sent alerts by its v2 API. What fires is given a week: Alertmanager would otherwise take it for resolved
// after its resolve_timeout, also while we are away. It keeps alerts in memory only, so it is told again and again what goes
// on, as it is by Prometheus; it knows them by their labels and notifies nobody twice.
type alertmanager struct {
	client *http.Client
	url    string
	texts  *Texts
}

const firesFor = 7 * 24 * time.Hour

func (a *alertmanager) send(ctx context.Context, m *Message) error {
	now := time.Now()
	one, err := a.alert(m, now)
	if err != nil {
		return err
	}
	out := models.PostableAlerts{one}
	if m.State == "firing" && m.Seq > 1 && m.Severity == "critical" { // it was a warning, which to Alertmanager is another alert
		was, err := a.alert(m, now)
		if err != nil {
			return err
		}
		was.Labels["severity"], was.EndsAt = "warning", strfmt.DateTime(now.UTC())
		out = append(out, was)
	}
	return a.post(ctx, out)
}

func (a *alertmanager) refresh(ctx context.Context, ms []*Message) error {
	now := time.Now()
	var out models.PostableAlerts
	for _, m := range ms {
		one, err := a.alert(m, now)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	return a.post(ctx, out)
}

// alert is a message as Alertmanager takes it.
func (a *alertmanager) alert(m *Message, now time.Time) (*models.PostableAlert, error) {
	_, text, err := a.texts.Render(m)
	if err != nil {
		return nil, err
	}
	ends := now.Add(firesFor)
	if m.State == "resolved" {
		ends = now
		if !m.ended.IsZero() && m.ended.After(m.since) {
			ends = m.ended
		}
	}
	p := &models.PostableAlert{StartsAt: strfmt.DateTime(m.since), EndsAt: strfmt.DateTime(ends.UTC())}
	p.Labels = models.LabelSet{"alertname": "ringfence_" + m.Kind, "incident": m.Incident, "severity": m.Severity, "dimension": m.Dimension, "subject": m.Subject}
	p.Annotations = models.LabelSet{"summary": m.Title, "description": text}
	for k, v := range map[string]string{"campaign": m.Campaign, "agent": m.Agent} {
		if v != "" {
			p.Labels[k] = v
		}
	}
	for k, v := range map[string]string{"calls": strings.Join(m.Calls, " "), "done": m.Done, "acknowledged_by": m.By} {
		if v != "" {
			p.Annotations[k] = v
		}
	}
	p.GeneratorURL = strfmt.URI(m.Link)
	return p, nil
}

func (a *alertmanager) post(ctx context.Context, out models.PostableAlerts) error {
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = post(ctx, a.client, strings.TrimSuffix(a.url, "/")+"/api/v2/alerts", b, nil)
	return err
}

// chat is one of DingTalk, WeCom, Feishu and Slack: a robot's address, and a signature where it asks for one.
type chat struct {
	client           *http.Client
	kind, url, token string
	texts            *Texts
}

func (c *chat) send(ctx context.Context, m *Message) error {
	title, text, err := c.texts.Render(m)
	if err != nil {
		return err
	}
	to, now := c.url, time.Now()
	data := struct{ Title, Plain, Markdown, Timestamp, Sign string }{Title: title, Plain: text}
	first, rest, _ := strings.Cut(text, "\n")
	data.Markdown = "**" + first + "**\n\n" + strings.ReplaceAll(rest, "\n", "\n\n")
	switch {
	case c.token == "":
	case c.kind == "dingtalk": // HMAC of "milliseconds\nsecret", in the address
		ts := strconv.FormatInt(now.UnixMilli(), 10)
		u, err := url.Parse(c.url)
		if err != nil {
			return errors.New("its address does not parse")
		}
		q := u.Query()
		q.Set("timestamp", ts)
		q.Set("sign", mac(c.token, ts+"\n"+c.token))
		u.RawQuery = q.Encode()
		to = u.String()
	case c.kind == "feishu": // HMAC of nothing under "seconds\nsecret", in the body
		data.Timestamp = strconv.FormatInt(now.Unix(), 10)
		data.Sign = mac(data.Timestamp+"\n"+c.token, "")
	}
	var b bytes.Buffer
	if err := bodies[c.kind].Execute(&b, data); err != nil {
		return fmt.Errorf("make the message: %w", err)
	}
	answer, err := post(ctx, c.client, to, b.Bytes(), nil)
	if err != nil {
		return err
	}
	return refusal(c.kind, answer)
}

func mac(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// refusal: the Chinese chats answer 200 and say in the body that they did not take it.
func refusal(kind string, answer []byte) error {
	if kind == "slack" {
		return nil
	}
	var a struct {
		ErrCode int    `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
		Code    int    `json:"code"`
		Msg     string `json:"msg"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("answered what cannot be read: %.100q", answer)
	}
	if a.ErrCode != 0 || a.Code != 0 {
		return fmt.Errorf("refused: %d %s%s", a.ErrCode+a.Code, a.ErrMsg, a.Msg)
	}
	return nil
}
