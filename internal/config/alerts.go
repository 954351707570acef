package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Complaint is how complaints are attributed and watched (docs/alerts.md).
type Complaint struct {
	AttributionWindow  Duration   `yaml:"attribution_window"`
	OnSpike            string     `yaml:"on_spike"`              // observe, throttle, stop
	FalseAlarmsPerYear float64    `yaml:"false_alarms_per_year"` // over all that is watched, when nothing happens
	Windows            []Duration `yaml:"windows"`
	Baseline           Duration   `yaml:"baseline"`     // how far before a window it reaches
	Least              int        `yaml:"least"`        // complaints in a window
	Factor             float64    `yaml:"factor"`       // times the expected
	Variation          float64    `yaml:"variation"`    // of rates from day to day, without cause
	DefaultRate        float64    `yaml:"default_rate"` // per connected call, while there is no history
	SLA                SLA        `yaml:"sla"`
}

// SLA is when people are told of a complaint that waits (CPL-01 to CPL-04).
type SLA struct {
	Warn     Duration `yaml:"warn"`     // before a deadline: its owner
	Escalate Duration `yaml:"escalate"` // after it: the head of the department
}

// Alerts is what is watched beside complaints, and who is told.
type Alerts struct {
	Link      string     `yaml:"link"`    // template of the link to a dashboard
	GiveUp    Duration   `yaml:"give_up"` // a receiver that takes nothing for so long is not told what is older
	Refresh   Duration   `yaml:"refresh"` // how often an Alertmanager is told again what goes on
	Rates     Rates      `yaml:"rates"`
	Stuck     Stuck      `yaml:"stuck"`
	Inbound   Inbound    `yaml:"inbound"`
	Receivers []Receiver `yaml:"receivers"`
}

// Rates bound the alerts on connect rate, success, abandonment, recording coverage, dial volume and silent sources.
type Rates struct {
	FalseAlarmsPerYear float64 `yaml:"false_alarms_per_year"` // of each kind
	Least              int     `yaml:"least"`                 // calls in the hour
	Change             float64 `yaml:"change"`                // least relative change
}

// Stuck is how long an agent may stay in a state; 0 = for ever.
type Stuck struct {
	Preparing Duration `yaml:"preparing"`
	Dialing   Duration `yaml:"dialing"`
	Talking   Duration `yaml:"talking"`
	Hold      Duration `yaml:"hold"`
	WrapUp    Duration `yaml:"wrap_up"`
}

// Inbound says when inbound calls are at a peak (THR-02).
type Inbound struct {
	Within Duration `yaml:"within"` // an inbound call is served if it is bridged in this time
	Window Duration `yaml:"window"`
	Least  int      `yaml:"least"` // calls needed to judge
	Begin  float64  `yaml:"begin"` // outbound is throttled below this service level
	Stop   float64  `yaml:"stop"`  // marketing is stopped below this one
	End    float64  `yaml:"end"`   // all goes on above this one, when it has held
	Hold   Duration `yaml:"hold"`
}

// Receiver is one who is told.
type Receiver struct {
	Name       string   `yaml:"name"` // stands for how far he was told: another name is another receiver
	Type       string   `yaml:"type"`
	URL        string   `yaml:"url"`
	URLFile    string   `yaml:"url_file"`
	Secret     string   `yaml:"secret"` // signs what is sent
	SecretFile string   `yaml:"secret_file"`
	Kinds      []string `yaml:"kinds"`    // none = all
	Severity   string   `yaml:"severity"` // critical = critical ones only
	Template   string   `yaml:"template"` // a file in the place of the built-in text
	Language   string   `yaml:"language"` // en, zh
	From       string   `yaml:"from"`     // email
	To         []string `yaml:"to"`
	Username   string   `yaml:"username"`
}

// ReceiverTypes are the ways somebody can be told.
func ReceiverTypes() []string {
	return []string{"alertmanager", "webhook", "email", "dingtalk", "wecom", "feishu", "slack"}
}

func defaultComplaint() Complaint {
	day := 24 * time.Hour
	return Complaint{AttributionWindow: Duration(30 * day), OnSpike: "throttle", FalseAlarmsPerYear: 1, Windows: []Duration{Duration(4 * time.Hour), Duration(day), Duration(7 * day)},
		Baseline: Duration(28 * day), Least: 4, Factor: 1.5, Variation: 0.2, DefaultRate: 0.004, SLA: SLA{Warn: Duration(2 * time.Hour), Escalate: Duration(day)}}
}

func defaultAlerts() Alerts {
	minute := Duration(time.Minute)
	return Alerts{GiveUp: Duration(72 * time.Hour), Refresh: minute, Rates: Rates{FalseAlarmsPerYear: 1, Least: 200, Change: 0.2},
		Stuck:   Stuck{Preparing: 30 * minute, Dialing: 10 * minute, Talking: 120 * minute, Hold: 30 * minute, WrapUp: 30 * minute},
		Inbound: Inbound{Within: Duration(20 * time.Second), Window: 10 * minute, Least: 20, Begin: 0.8, Stop: 0.5, End: 0.9, Hold: 5 * minute}, Receivers: []Receiver{}}
}

// validateAlerts says everything that is wrong with what is watched and who is told.
func (c *Config) validateAlerts(bad func(format string, a ...any)) {
	if !slices.Contains([]string{"observe", "throttle", "stop"}, c.Complaint.OnSpike) {
		bad("complaint.on_spike: %q is not one of observe, throttle, stop", c.Complaint.OnSpike)
	}
	for _, x := range []struct {
		key      string
		v, least float64
		most     float64
	}{
		{"complaint.false_alarms_per_year", c.Complaint.FalseAlarmsPerYear, 1e-9, 1e6}, {"alerts.rates.false_alarms_per_year", c.Alerts.Rates.FalseAlarmsPerYear, 1e-9, 1e6},
		{"complaint.least", float64(c.Complaint.Least), 1, 1e6}, {"complaint.factor", c.Complaint.Factor, 1, 1e3}, {"complaint.variation", c.Complaint.Variation, 0, 2},
		{"complaint.default_rate", c.Complaint.DefaultRate, 1e-9, 1}, {"alerts.rates.least", float64(c.Alerts.Rates.Least), 10, 1e9}, {"alerts.rates.change", c.Alerts.Rates.Change, 0, 10},
		{"alerts.inbound.least", float64(c.Alerts.Inbound.Least), 1, 1e9}, {"alerts.inbound.stop", c.Alerts.Inbound.Stop, 0, c.Alerts.Inbound.Begin},
		{"alerts.inbound.begin", c.Alerts.Inbound.Begin, 0, c.Alerts.Inbound.End}, {"alerts.inbound.end", c.Alerts.Inbound.End, c.Alerts.Inbound.Begin, 1},
	} {
		if !(x.v >= x.least && x.v <= x.most) {
			bad("%s: %g is not between %g and %g", x.key, x.v, x.least, x.most)
		}
	}
	if len(c.Complaint.Windows) == 0 {
		bad("complaint.windows: at least one is needed, such as 24h")
	}
	for i, w := range c.Complaint.Windows {
		if w.D() < 10*time.Minute || w.D() > 7*24*time.Hour || i > 0 && w <= c.Complaint.Windows[i-1] {
			bad("complaint.windows: expected spans of 10m to 7d, ascending; %s is none or stands in the wrong place", w.D())
		}
	}
	if b := c.Complaint.Baseline.D(); b < 24*time.Hour || b > 28*24*time.Hour {
		bad("complaint.baseline: %s is not between 1d and 28d", b)
	}
	if c.Alerts.Inbound.Window.D() < time.Minute || c.Alerts.Inbound.Window.D() > 2*time.Hour {
		bad("alerts.inbound.window: %s is not between 1m and 2h", c.Alerts.Inbound.Window.D())
	}
	if d := c.Alerts.Refresh.D(); d < time.Second || d > time.Hour {
		bad("alerts.refresh: %s is not between 1s and 1h", d)
	}
	seen := map[string]bool{}
	for i, r := range c.Alerts.Receivers {
		r.validate(fmt.Sprintf("alerts.receivers[%d]", i), seen, bad)
	}
}

func (r *Receiver) validate(key string, seen map[string]bool, bad func(format string, a ...any)) {
	if r.Name == "" || seen[r.Name] {
		bad("%s.name: every receiver needs a name of its own", key)
	}
	seen[r.Name] = true
	if !slices.Contains(ReceiverTypes(), r.Type) {
		bad("%s.type: %q is not one%s", key, r.Type, hint(r.Type, ReceiverTypes()))
	}
	u, err := url.Parse(r.URL)
	schemes := []string{"http", "https"}
	if r.Type == "email" {
		schemes = []string{"smtp", "smtps"}
		if r.From == "" || len(r.To) == 0 {
			bad("%s: an email receiver needs from and to", key)
		}
	}
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		bad("%s.url: expected an address such as %s://host:port/path", key, schemes[0])
	}
	if !slices.Contains([]string{"", "warning", "critical"}, r.Severity) {
		bad("%s.severity: %q is not one of warning, critical", key, r.Severity)
	}
	if !slices.Contains([]string{"", "en", "zh"}, r.Language) {
		bad("%s.language: %q is not one of en, zh", key, r.Language)
	}
}

// receiverSecrets reads addresses and secrets from their files.
func (c *Config) receiverSecrets(read func(into *string, file, key string) error) error {
	var errs []error
	for i := range c.Alerts.Receivers {
		r := &c.Alerts.Receivers[i]
		errs = append(errs, read(&r.URL, r.URLFile, fmt.Sprintf("alerts.receivers[%d].url_file", i)), read(&r.Secret, r.SecretFile, fmt.Sprintf("alerts.receivers[%d].secret_file", i)))
	}
	return errors.Join(errs...)
}

// maskReceivers hides what lets others speak in our name; the chats' addresses are such.
func maskReceivers(in []Receiver, hidden string) []Receiver {
	out := slices.Clone(in)
	for i := range out {
		if out[i].Secret != "" {
			out[i].Secret = hidden
		}
		if slices.Contains([]string{"dingtalk", "wecom", "feishu", "slack"}, out[i].Type) && out[i].URL != "" {
			out[i].URL = hidden
		}
	}
	return out
}

// Parse reads a configuration from memory, without secrets from elsewhere: for what-if questions. Errors name the line.
func Parse(name string, src []byte) (*Config, error) {
	cfg := Default()
	if err := decode(name, src, cfg); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cfg, nil
}
