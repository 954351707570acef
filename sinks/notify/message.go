package notify

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/config"
)

// Message is a change of an incident's state, as receivers and templates see it. Its JSON is what a webhook is sent.
type Message struct {
	ID           string    `json:"id"` // incident/seq: the same change has the same id, however often it is sent
	Incident     string    `json:"incident"`
	Seq          int64     `json:"seq"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"` // firing | acknowledged | resolved
	Severity     string    `json:"severity"`
	Dimension    string    `json:"dimension"`
	Subject      string    `json:"subject"`
	Campaign     string    `json:"campaign_id,omitempty"`
	Agent        string    `json:"agent_id,omitempty"`
	Title        string    `json:"title"`
	Detail       string    `json:"detail"`
	At           time.Time `json:"at"`
	Since        time.Time `json:"since"`
	Count        int64     `json:"count"`
	Base         int64     `json:"base"`
	Expected     float64   `json:"expected"`
	Rate         float64   `json:"rate"`
	Before       float64   `json:"rate_before"`
	Window       string    `json:"window,omitempty"`
	Probability  float64   `json:"probability"`
	FalsePerYear float64   `json:"false_alarms_per_year"`
	Calls        []string  `json:"calls"` // to listen to first
	Also         []string  `json:"also,omitempty"`
	Done         string    `json:"done,omitempty"` // by itself
	By           string    `json:"by,omitempty"`
	Note         string    `json:"note,omitempty"`
	EscalateTo   string    `json:"escalate_to,omitempty"`
	Link         string    `json:"link,omitempty"`
	since        time.Time
	ended        time.Time // of a resolved one: when the receiver was told; zero = now
}

//go:embed templates/*.tmpl
var builtin embed.FS

// Texts render messages for one language, or by a template of the operator's own.
type Texts struct {
	text, title *template.Template
	link        *template.Template
	zone        *time.Location
}

// NewTexts reads the built-in template of the receiver's language, or his own file; it fails on one that does not parse
// or does not render.
func NewTexts(r config.Receiver, link string, zone *time.Location) (*Texts, error) {
	funcs := template.FuncMap{"local": func(t time.Time) string { return t.In(zone).Format("2006-01-02 15:04") }, "percent": func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) },
		"thousand": func(f float64) string { return fmt.Sprintf("%.2f", 1000*f) }, "join": strings.Join, "words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"ms": func(t time.Time) int64 { return t.UnixMilli() }, "rare": rare}
	language := r.Language
	if language == "" {
		language = "en"
	}
	src, err := builtin.ReadFile("templates/" + language + ".tmpl")
	if err == nil && r.Template != "" {
		src, err = os.ReadFile(r.Template)
	}
	if err != nil {
		return nil, fmt.Errorf("receiver %s: read its template: %w", r.Name, err)
	}
	t := &Texts{zone: zone}
	all, err := template.New(r.Name).Funcs(funcs).Option("missingkey=error").Parse(string(src))
	if err != nil {
		return nil, fmt.Errorf("receiver %s: its template: %w", r.Name, err)
	}
	for name, into := range map[string]**template.Template{"title": &t.title, "text": &t.text} {
		if *into = all.Lookup(name); *into == nil {
			return nil, fmt.Errorf("receiver %s: its template defines no %q: expected {{define %q}}...{{end}}", r.Name, name, name)
		}
	}
	if t.link, err = template.New("link").Funcs(funcs).Option("missingkey=error").Parse(link); err != nil {
		return nil, fmt.Errorf("alerts.link: %w", err)
	}
	_, err = t.Message(&event.Alert{AlertId: "test", Kind: "complaint_spike", State: "firing", WindowMs: 1, CallIds: []string{"c"}})
	if err == nil {
		_, _, err = t.Render(&Message{})
	}
	return t, err
}

// rare says how often chance alone does such a thing.
func rare(perYear float64) string {
	if perYear < 1e-4 {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.2g", perYear)
}

// Message is an alert as it is sent.
func (t *Texts) Message(a *event.Alert) (*Message, error) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).In(t.zone) }
	m := &Message{ID: fmt.Sprintf("%s/%d", a.AlertId, a.Seq), Incident: a.AlertId, Seq: a.Seq, Kind: a.Kind, State: a.State, Severity: a.Severity, Dimension: a.Dimension, Subject: a.Subject,
		Campaign: a.CampaignId, Agent: a.AgentId, Detail: a.Detail, At: at(a.At), Since: at(a.Since), Count: a.Count, Base: a.Base, Expected: a.Expected, Rate: a.Rate, Before: a.RateBefore,
		Probability: a.PValue, FalsePerYear: finite(a.FalsePerYear), Calls: append([]string{}, a.CallIds...), Also: a.Also, Done: a.Done, By: a.By, Note: a.Note, EscalateTo: a.EscalateTo,
		since: time.UnixMilli(a.Since).UTC()}
	if a.WindowMs > 0 {
		m.Window = strings.TrimSuffix(strings.TrimSuffix((time.Duration(a.WindowMs)*time.Millisecond).String(), "0s"), "0m")
	}
	var b bytes.Buffer
	if err := t.link.Execute(&b, m); err != nil {
		return nil, fmt.Errorf("alerts.link: %w", err)
	}
	m.Link = b.String()
	b.Reset()
	if err := t.title.Execute(&b, m); err != nil {
		return nil, fmt.Errorf("make the title: %w", err)
	}
	m.Title = strings.TrimSpace(b.String())
	return m, nil
}

// finite is for JSON, which knows no infinity.
func finite(f float64) float64 {
	if f > 1e12 {
		return 1e12
	}
	return f
}

// Render is title and text.
func (t *Texts) Render(m *Message) (title, text string, err error) {
	var b bytes.Buffer
	if err := t.text.Execute(&b, m); err != nil {
		return "", "", fmt.Errorf("make the text: %w", err)
	}
	return m.Title, strings.TrimSpace(b.String()), nil
}

// bodies are the chats' own formats.
var bodies = map[string]*template.Template{
	"dingtalk": body(`{"msgtype":"markdown","markdown":{"title":{{json .Title}},"text":{{json .Markdown}}}}`),
	"wecom":    body(`{"msgtype":"markdown","markdown":{"content":{{json .Markdown}}}}`),
	"feishu":   body(`{ {{with .Sign}}"timestamp":{{json $.Timestamp}},"sign":{{json .}},{{end}}"msg_type":"text","content":{"text":{{json .Plain}}}}`),
	"slack":    body(`{"text":{{json .Plain}}}`),
}

func body(src string) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	}}).Parse(src))
}
