package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T, src string, sets ...string) (*Config, error) {
	t.Helper()
	f := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(f, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(f, sets, func(string) string { return "" })
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name, src string
		sets      []string
		check     func(*Config) bool
		err       string
	}{
		{name: "empty", src: "", check: func(c *Config) bool { return cmp.Equal(c, Default()) }},
		{name: "contract", src: "data_dir: ./d\nhttp: {listen: 127.0.0.1:8080}\nkafka: {brokers: [], sync: true}\nsampling: {one_in: 10, grace: 6h, quiet: 10m}\n",
			check: func(c *Config) bool {
				return c.DataDir == "./d" && c.Kafka.Sync && c.Kafka.Partitions == 8 && c.Sampling.Quiet.D() == 10*time.Minute
			}},
		{name: "addresses in a flow list", src: "kafka: {brokers: [kafka1:9092, 10.0.0.2:9092, \"[::1]:9092\"]}\nclickhouse: {addr: [ch:9000]}\n",
			check: func(c *Config) bool {
				return cmp.Equal([]string(c.Kafka.Brokers), []string{"kafka1:9092", "10.0.0.2:9092", "[::1]:9092"}) && cmp.Equal([]string(c.ClickHouse.Addr), []string{"ch:9000"})
			}},
		{name: "addresses in a block list", src: "kafka:\n  brokers:\n  - kafka1:9092\n  - kafka2:9092\n", sets: []string{"clickhouse.addr=[ch:9000]"},
			check: func(c *Config) bool {
				return len(c.Kafka.Brokers) == 2 && c.Kafka.Brokers[1] == "kafka2:9092" && c.ClickHouse.Addr[0] == "ch:9000"
			}},
		{name: "no address", src: "kafka: {brokers: [{a: 1, b: 2}]}", err: "is not an address"},
		{name: "days", src: "complaint: {attribution_window: 30d}", check: func(c *Config) bool { return c.Complaint.AttributionWindow.D() == 720*time.Hour }},
		{name: "set", src: "", sets: []string{"http.listen=127.0.0.1:1", "roles=[api, sink]", "sampling.quiet=1s"},
			check: func(c *Config) bool {
				return c.HTTP.Listen == "127.0.0.1:1" && c.Has("sink") && !c.Has("dialer") && c.Sampling.Quiet.D() == time.Second
			}},
		{name: "unknown", src: "data_dir: x\nsampling:\n  one_inn: 3\n", err: `c.yaml:3:3: unknown key "sampling.one_inn"; did you mean "one_in"?`},
		{name: "unknown top", src: "htpp: {listen: x}", err: `:1:1: unknown key "htpp"; did you mean "http"?`},
		{name: "not a mapping", src: "http: 8080", err: "expected a mapping"},
		{name: "duration", src: "permit_ttl: soon", err: "is not a duration"},
		{name: "role", src: "roles: [sinck]", err: `did you mean "sink"?`},
		{name: "zone", src: "reporting: {time_zone: Mars/Olympus}", err: "is not a time zone"},
		{name: "open to the world", src: "http: {listen: 0.0.0.0:8080}", err: "api.tokens must not be empty"},
		{name: "with tokens", src: "http: {listen: 0.0.0.0:8080}\napi: {tokens: [{token: 0123456789abcdef, roles: [ingest]}]}",
			check: func(c *Config) bool { return len(c.API.Tokens) == 1 }},
		{name: "token role", src: "api: {tokens: [{token: 0123456789abcdef, roles: [boss]}]}", err: `"boss" is not one`},
		{name: "secret on the command line", sets: []string{"clickhouse.password=x"}, err: "never from the command line"},
		{name: "set nonsense", sets: []string{"nothing"}, err: "expected key=value"},
		{name: "set unknown", sets: []string{"kafka.brocers=[a]"}, err: `did you mean "brokers"?`},
		{name: "carrier", src: "dialer: {carrier: avian}", err: `"avian" is not one of none, simulated`},
		{name: "receivers", src: "alerts: {receivers: [{name: am, type: alertmanager, url: 'http://am:9093'}]}\ncomplaint: {windows: [1h, 2d]}",
			check: func(c *Config) bool {
				return c.Alerts.Receivers[0].Type == "alertmanager" && len(c.Complaint.Windows) == 2
			}},
		{name: "receiver's key", src: "alerts:\n  receivers:\n    - {name: am, typ: slack}\n", err: `c.yaml:3:18: unknown key "alerts.receivers[].typ"; did you mean "type"?`},
		{name: "receiver's type", src: "alerts: {receivers: [{name: am, type: fax, url: 'http://a'}]}", err: `alerts.receivers[0].type: "fax" is not one`},
		{name: "receiver's name", src: "alerts: {receivers: [{name: a, type: slack, url: 'http://a'}, {name: a, type: slack, url: 'http://a'}]}", err: "a name of its own"},
		{name: "receiver's address", src: "alerts: {receivers: [{name: a, type: email, url: 'http://a', from: a@b, to: [c@d]}]}", err: "smtp://host:port"},
		{name: "receivers on the command line", sets: []string{"alerts.receivers=[]"}, err: "never from the command line"},
		{name: "windows", src: "complaint: {windows: [2h, 1h]}", err: "ascending"},
		{name: "levels", src: "alerts: {inbound: {begin: 0.95}}", err: "alerts.inbound.begin: 0.95 is not between 0 and 0.9"},
		{name: "one in none", src: "sampling: {one_in: 0}", err: "at least 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := load(t, c.src, c.sets...)
			switch {
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("error %v, want one with %q", err, c.err)
			case c.err == "" && err != nil:
				t.Error(err)
			case c.err == "" && !c.check(cfg):
				t.Errorf("got %+v", cfg)
			}
		})
	}
}

func TestDumpHidesSecretsAndLoadsAgain(t *testing.T) {
	env := map[string]string{"RINGFENCE_CLICKHOUSE_PASSWORD": "hunter2hunter2", "RINGFENCE_API_TOKENS": "[{name: x, token: topsecrettopsecret, roles: [admin]}]"}
	cfg, err := Load("", nil, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := cfg.Dump(&b); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "topsecret") {
		t.Errorf("a secret is shown:\n%s", s)
	}
	cfg = Default()
	b.Reset()
	if err := cfg.Dump(&b); err != nil {
		t.Fatal(err)
	}
	again, err := load(t, b.String())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(cfg, again); d != "" {
		t.Error(d)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("data_dir: x\nkafka: {brokers: [a:1]}\n")
	f.Add("sampling:\n  one_in: 3\n")
	f.Fuzz(func(_ *testing.T, src string) {
		_ = decode("fuzz.yaml", []byte(src), Default())
	})
}
