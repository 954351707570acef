package config

import (
	"time"
)

// Duration is a time span written as 90s, 15m, 24h, 30d or 2w.
type Duration time.Duration

// D is the span as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// Milliseconds of the span.
func (d Duration) Milliseconds() int64 { return time.Duration(d).Milliseconds() }

// Config is everything an operator can set. The zero value is not usable: start from Default.
type Config struct {
	DataDir           string     `yaml:"data_dir"`
	HTTP              HTTP       `yaml:"http"`
	Roles             []string   `yaml:"roles"`
	Policy            string     `yaml:"policy"`
	Kafka             Kafka      `yaml:"kafka"`
	ClickHouse        ClickHouse `yaml:"clickhouse"`
	API               API        `yaml:"api"`
	Ingest            Ingest     `yaml:"ingest"`
	PermitTTL         Duration   `yaml:"permit_ttl"`
	PermitOrphanAfter Duration   `yaml:"permit_orphan_after"`
	AgentStateTimeout Duration   `yaml:"agent_state_timeout"`
	Reporting         Reporting  `yaml:"reporting"`
	Sampling          Sampling   `yaml:"sampling"`
	QA                QA         `yaml:"qa"`
	Complaint         Complaint  `yaml:"complaint"`
	Alerts            Alerts     `yaml:"alerts"`
	Dialer            Dialer     `yaml:"dialer"`
	Scores            Scores     `yaml:"scores"`
	Reports           Reports    `yaml:"reports"`
	Stream            Stream     `yaml:"stream"`
	Retention         Retention  `yaml:"retention"`
	Console           Console    `yaml:"console"`
	Recordings        Recordings `yaml:"recordings"`
}

// HTTP is where the API, the console and the metrics are served.
type HTTP struct {
	Listen string `yaml:"listen"`
}

// Kafka says which brokers to use; none = the embedded one.
type Kafka struct {
	Brokers     Addrs `yaml:"brokers"`
	Sync        bool  `yaml:"sync"` // the embedded broker: fsync each write
	Partitions  int   `yaml:"partitions"`
	Replication int   `yaml:"replication"` // of topics made on your own brokers
	TLS         TLS   `yaml:"tls"`
	SASL        SASL  `yaml:"sasl"`
}

// TLS to the brokers.
type TLS struct {
	Enabled  bool   `yaml:"enabled"`
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// SASL to the brokers. The password comes from RINGFENCE_KAFKA_SASL_PASSWORD or a file.
type SASL struct {
	Mechanism    string `yaml:"mechanism"` // plain, scram-sha-256, scram-sha-512
	Username     string `yaml:"username"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

// ClickHouse says where the facts go; no address = the embedded engine.
type ClickHouse struct {
	Addr         Addrs  `yaml:"addr"`
	HTTPAddr     string `yaml:"http_addr"` // for `ringfence sql`; default: the first address's host, port 8123
	Database     string `yaml:"database"`
	Username     string `yaml:"username"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	Cluster      string `yaml:"cluster"`
}

// API is who may use the HTTP API.
type API struct {
	TrustClientTime bool    `yaml:"trust_client_time"`
	Tokens          []Token `yaml:"tokens"`
}

// Token lets its holder in.
type Token struct {
	Name      string   `yaml:"name"`
	Token     string   `yaml:"token"`
	TokenFile string   `yaml:"token_file"`
	Roles     []string `yaml:"roles"`
	PartnerID string   `yaml:"partner_id"`
}

// Ingest is how outside records are read.
type Ingest struct {
	DefaultRegion string `yaml:"default_region"`
	NumberKeyFile string `yaml:"number_key_file"`
}

// Reporting is the zone in which days begin on dashboards.
type Reporting struct {
	TimeZone string `yaml:"time_zone"`
}

// Sampling is the QA draw (CONTRACT.md section 8).
type Sampling struct {
	OneIn   int      `yaml:"one_in"`
	Grace   Duration `yaml:"grace"`
	Quiet   Duration `yaml:"quiet"`
	KeyFile string   `yaml:"key_file"` // secret from which each day's key is made; one file for a whole cluster

	Valid       string             `yaml:"valid"`         // which recordings are valid: connected, or sale (those of sales alone)
	WeeklyOneIn int                `yaml:"weekly_one_in"` // SMP-02; 0 = no weekly draw
	ExtraOneIn  int                `yaml:"extra_one_in"`  // SMP-03: of an agent who failed; 0 = no extra checks
	ExtraUntil  int                `yaml:"extra_until"`   // clean reviews that end them
	PerPeriod   bool               `yaml:"per_period"`    // SMP-04: seven an agent and assessment period
	Difficulty  map[string]float64 `yaml:"difficulty"`    // SMP-05: of campaigns; the hardest are checked first
	Exempt      []string           `yaml:"exempt"`        // SMP-06: draws exempt agents are exempt from: period, extra
}

// QA is how recordings are heard.
type QA struct {
	Rubrics         []string `yaml:"rubrics"`          // the shipped one's name or files; the first is the one new reviews use
	ClaimTTL        Duration `yaml:"claim_ttl"`        // a claim without a draft runs out after it
	Due             Duration `yaml:"due"`              // a task is due so long after it was drawn
	DueExtra        Duration `yaml:"due_extra"`        // the same of extra checks of agents who failed
	MaxClaimed      int      `yaml:"max_claimed"`      // tasks one rater holds at most
	ConfirmCampaign string   `yaml:"confirm_campaign"` // under which invalid sales are called back; empty = they are not
}

// Dialer is the built-in dialer. Without a carrier the role does nothing: nobody is called by an accident of
// configuration.
type Dialer struct {
	Carrier string `yaml:"carrier"` // none, simulated
	ID      string `yaml:"id"`      // dialer_id on its permits and calls
}

// Scores is how agents and teams are assessed.
type Scores struct {
	File string `yaml:"file"` // targets, exams, ratings, leave: what the office enters (processors/score)
}

// Reports are the written reports.
type Reports struct {
	Settlement Settlement `yaml:"settlement"`
}

// Settlement is what partners are paid by, in yuan (REQUIREMENTS M, S1 P4): 50 % of a month's fee in the first month, 15 % in
// each of the five after it, and an amount for each completed questionnaire.
type Settlement struct {
	Fees          map[string]float64 `yaml:"fees"`          // product -> monthly fee
	Shares        []float64          `yaml:"shares"`        // of the fee, by month since the order
	Questionnaire float64            `yaml:"questionnaire"` // for each completed one
}

// Stream bounds what the processors keep in memory.
type Stream struct {
	CacheEntries int  `yaml:"cache_entries"` // states held in memory per processor
	Standby      bool `yaml:"standby"`       // follow the states of other processes' partitions, to take over at once when one dies
}

// Retention is how long what is kept, in months (RET-02 to RET-05). Recordings are files elsewhere: ringfence says when
// they may go.
type Retention struct {
	OnlineMonths     int            `yaml:"online_months"`     // recordings on line, 3 to 6
	RecordingsMonths int            `yaml:"recordings_months"` // recordings altogether, and those of a sale after the end of its use; 12 at least
	Tables           map[string]int `yaml:"tables"`            // rows of a ClickHouse table, by the table's name; absent = for ever
}

// Default is the configuration without a file.
func Default() *Config {
	return &Config{
		DataDir:           "./data",
		HTTP:              HTTP{Listen: "127.0.0.1:8080"},
		Roles:             []string{"all"},
		Policy:            "china-unicom",
		Kafka:             Kafka{Brokers: Addrs{}, Partitions: 8, Replication: 3},
		ClickHouse:        ClickHouse{Addr: Addrs{}, Database: "ringfence", Username: "default"},
		API:               API{Tokens: []Token{}},
		Ingest:            Ingest{DefaultRegion: "CN"},
		PermitTTL:         Duration(time.Minute),
		PermitOrphanAfter: Duration(2 * time.Hour),
		AgentStateTimeout: Duration(8 * time.Hour),
		Reporting:         Reporting{TimeZone: "Asia/Shanghai"},
		Sampling: Sampling{OneIn: 10, Grace: Duration(6 * time.Hour), Quiet: Duration(10 * time.Minute), Valid: "connected", WeeklyOneIn: 20, ExtraOneIn: 5, ExtraUntil: 3,
			PerPeriod: true, Difficulty: map[string]float64{}, Exempt: []string{"period"}},
		QA: QA{Rubrics: []string{"standard"}, ClaimTTL: Duration(30 * time.Minute), Due: Duration(72 * time.Hour), DueExtra: Duration(24 * time.Hour), MaxClaimed: 5,
			ConfirmCampaign: "confirmation"},
		Complaint: defaultComplaint(),
		Alerts:    defaultAlerts(),
		Dialer:    Dialer{Carrier: "none", ID: "ringfence-dialer"},
		Reports:   Reports{Settlement: Settlement{Fees: map[string]float64{}, Shares: []float64{0.50, 0.15, 0.15, 0.15, 0.15, 0.15}, Questionnaire: 2}},
		Stream:    Stream{CacheEntries: 200_000, Standby: true},
		Retention: Retention{OnlineMonths: 6, RecordingsMonths: 12, Tables: map[string]int{}},
		Console:   defaultConsole(), Recordings: Recordings{S3: S3{Region: "us-east-1"}},
	}
}

// Roles lists every role a process can have.
func Roles() []string {
	return []string{"api", "contactcap", "sampling", "qa", "agenttime", "complaint", "campaign", "alerts", "sink", "dialer", "console"}
}

// Has tells whether the process plays a role.
func (c *Config) Has(role string) bool {
	for _, r := range c.Roles {
		if r == role || r == "all" {
			return true
		}
	}
	return false
}
