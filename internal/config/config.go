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
	Complaint         Complaint  `yaml:"complaint"`
	Stream            Stream     `yaml:"stream"`
}

// HTTP is where the API, the console and the metrics are served.
type HTTP struct {
	Listen string `yaml:"listen"`
}

// Kafka says which brokers to use; none = the embedded one.
type Kafka struct {
	Brokers     []string `yaml:"brokers"`
	Sync        bool     `yaml:"sync"` // the embedded broker: fsync each write
	Partitions  int      `yaml:"partitions"`
	Replication int      `yaml:"replication"` // of topics made on your own brokers
	TLS         TLS      `yaml:"tls"`
	SASL        SASL     `yaml:"sasl"`
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
	Addr         []string `yaml:"addr"`
	HTTPAddr     string   `yaml:"http_addr"` // for `ringfence sql`; default: the first address's host, port 8123
	Database     string   `yaml:"database"`
	Username     string   `yaml:"username"`
	Password     string   `yaml:"password"`
	PasswordFile string   `yaml:"password_file"`
	Cluster      string   `yaml:"cluster"`
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
}

// Complaint is how complaints are attributed and watched.
type Complaint struct {
	AttributionWindow Duration `yaml:"attribution_window"`
	OnSpike           string   `yaml:"on_spike"` // observe, throttle, stop
}

// Stream bounds what the processors keep in memory.
type Stream struct {
	CacheEntries int `yaml:"cache_entries"` // decoded states held per processor
}

// Default is the configuration without a file.
func Default() *Config {
	return &Config{
		DataDir:           "./data",
		HTTP:              HTTP{Listen: "127.0.0.1:8080"},
		Roles:             []string{"all"},
		Policy:            "china-unicom",
		Kafka:             Kafka{Brokers: []string{}, Partitions: 8, Replication: 3},
		ClickHouse:        ClickHouse{Addr: []string{}, Database: "ringfence", Username: "default"},
		API:               API{Tokens: []Token{}},
		Ingest:            Ingest{DefaultRegion: "CN"},
		PermitTTL:         Duration(time.Minute),
		PermitOrphanAfter: Duration(2 * time.Hour),
		AgentStateTimeout: Duration(8 * time.Hour),
		Reporting:         Reporting{TimeZone: "Asia/Shanghai"},
		Sampling:          Sampling{OneIn: 10, Grace: Duration(6 * time.Hour), Quiet: Duration(10 * time.Minute)},
		Complaint:         Complaint{AttributionWindow: Duration(30 * 24 * time.Hour), OnSpike: "throttle"},
		Stream:            Stream{CacheEntries: 200_000},
	}
}

// Roles lists every role a process can have.
func Roles() []string {
	return []string{"api", "contactcap", "sampling", "qa", "agenttime", "complaint", "campaign", "sink", "dialer", "console"}
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
