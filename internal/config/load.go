package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ringfence/ringfence/internal/nearest"
)

// Load reads the file (none: only defaults), applies key=value overrides, takes secrets from RINGFENCE_* or files, and
// validates. Every error names the file, line and column, or the override or variable, and what was expected.
func Load(path string, sets []string, env func(string) string) (*Config, error) {
	cfg := Default()
	if path != "" {
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		if err := decode(path, src, cfg); err != nil {
			return nil, err
		}
	}
	for _, s := range sets {
		if err := override(cfg, s); err != nil {
			return nil, err
		}
	}
	if err := secrets(cfg, env); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		if path != "" {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return nil, err
	}
	return cfg, nil
}

func decode(name string, src []byte, cfg *Config) error {
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	empty := true // an empty document would set everything to nothing
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		empty = false
		if err := known(name, doc.Body, reflect.TypeOf(*cfg), ""); err != nil {
			return err
		}
	}
	if empty {
		return nil
	}
	if err := yaml.UnmarshalWithOptions(src, cfg); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// known refuses keys that do not exist, with the nearest that does.
func known(file string, n ast.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		if seq, ok := n.(*ast.SequenceNode); ok && t.Kind() == reflect.Slice {
			for _, v := range seq.Values {
				if err := known(file, v, t.Elem(), path+"[]"); err != nil {
					return err
				}
			}
			return nil
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	case *ast.NullNode:
		return nil
	default:
		pos := n.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s: expected a mapping of keys to values", file, pos.Line, pos.Column, strings.TrimPrefix(path, "."))
	}
	for _, p := range pairs {
		key := p.Key.GetToken().Value
		f, ok := field(t, key)
		if !ok {
			pos := p.Key.GetToken().Position
			return fmt.Errorf("%s:%d:%d: unknown key %q%s", file, pos.Line, pos.Column, strings.TrimPrefix(path+"."+key, "."), hint(key, keys(t)))
		}
		if err := known(file, p.Value, f.Type, path+"."+key); err != nil {
			return err
		}
	}
	return nil
}

func field(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

func keys(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("yaml"))
	}
	return out
}

// hint names the nearest known word if it is near at all.
func hint(word string, known []string) string {
	if best := nearest.Word(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known here: " + strings.Join(known, ", ")
}

// override applies one key=value; the value is YAML, so roles=[api,sink] works.
func override(cfg *Config, s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return fmt.Errorf("--set %s: expected key=value, such as http.listen=127.0.0.1:9090", s)
	}
	if strings.HasSuffix(key, "password") || strings.HasSuffix(key, "tokens") || strings.HasSuffix(key, "secret") || strings.HasSuffix(key, "secret_key") || strings.HasSuffix(key, "receivers") {
		return fmt.Errorf("--set %s: a secret comes from RINGFENCE_* or a file, never from the command line", key)
	}
	v := reflect.ValueOf(cfg).Elem()
	for _, part := range strings.Split(key, ".") {
		if v.Kind() != reflect.Struct {
			return fmt.Errorf("--set %s: there is nothing below %q", s, part)
		}
		f, ok := field(v.Type(), part)
		if !ok {
			return fmt.Errorf("--set %s: unknown key %q%s", s, part, hint(part, keys(v.Type())))
		}
		v = v.FieldByIndex(f.Index)
	}
	fresh := reflect.New(v.Type())
	if v.Kind() == reflect.String {
		fresh.Elem().SetString(value) // addresses and paths are taken as they are
	} else if err := yaml.Unmarshal([]byte(value), fresh.Interface()); err != nil {
		return fmt.Errorf("--set %s: %q does not fit: %w", key, value, err)
	}
	v.Set(fresh.Elem())
	return nil
}

func secrets(cfg *Config, env func(string) string) error {
	if s := env("RINGFENCE_KAFKA_SASL_PASSWORD"); s != "" {
		cfg.Kafka.SASL.Password = s
	}
	if s := env("RINGFENCE_CLICKHOUSE_PASSWORD"); s != "" {
		cfg.ClickHouse.Password = s
	}
	if s := env("RINGFENCE_API_TOKENS"); s != "" {
		var tokens []Token
		if err := yaml.UnmarshalWithOptions([]byte(s), &tokens, yaml.Strict()); err != nil {
			return errors.New("RINGFENCE_API_TOKENS: expected a list such as [{token: ..., roles: [ingest]}]")
		}
		cfg.API.Tokens = append(cfg.API.Tokens, tokens...)
	}
	read := func(into *string, file, key string) error {
		if file == "" || *into != "" {
			return nil
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		*into = strings.TrimSpace(string(b))
		return nil
	}
	if s := env("RINGFENCE_OIDC_CLIENT_SECRET"); s != "" {
		cfg.Console.OIDC.ClientSecret = s
	}
	if s := env("RINGFENCE_S3_SECRET_KEY"); s != "" {
		cfg.Recordings.S3.SecretKey = s
	}
	err := errors.Join(read(&cfg.Console.OIDC.ClientSecret, cfg.Console.OIDC.ClientSecretFile, "console.oidc.client_secret_file"),
		read(&cfg.Recordings.S3.SecretKey, cfg.Recordings.S3.SecretKeyFile, "recordings.s3.secret_key_file"),
		read(&cfg.Kafka.SASL.Password, cfg.Kafka.SASL.PasswordFile, "kafka.sasl.password_file"),
		read(&cfg.ClickHouse.Password, cfg.ClickHouse.PasswordFile, "clickhouse.password_file"), cfg.receiverSecrets(read))
	for i := range cfg.API.Tokens {
		t := &cfg.API.Tokens[i]
		err = errors.Join(err, read(&t.Token, t.TokenFile, fmt.Sprintf("api.tokens[%d].token_file", i)))
	}
	return err
}

// tokenRoles are the roles a token can have (CONTRACT.md section 1).
var tokenRoles = []string{"ingest", "dialer", "qa", "supervisor", "compliance", "admin"}

// Validate says everything that is wrong with the values.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	host, port, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil {
		bad("http.listen: %q is not an address such as 127.0.0.1:8080", c.HTTP.Listen)
	} else {
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			bad("http.listen: port %q is not between 0 and 65535", port)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && len(c.API.Tokens) == 0 {
			bad("http.listen: %s can be reached from elsewhere, so api.tokens must not be empty", c.HTTP.Listen)
		}
	}
	if c.DataDir == "" {
		bad("data_dir: a directory is needed")
	}
	if len(c.Roles) == 0 {
		bad("roles: at least one is needed, or all")
	}
	for _, r := range c.Roles {
		if r != "all" && !slices.Contains(Roles(), r) {
			bad("roles: %q is not one%s", r, hint(r, append(Roles(), "all")))
		}
	}
	for _, zone := range []struct{ key, value string }{{"reporting.time_zone", c.Reporting.TimeZone}} {
		if _, err := time.LoadLocation(zone.value); err != nil || zone.value == "" {
			bad("%s: %q is not a time zone such as Asia/Shanghai", zone.key, zone.value)
		}
	}
	if !regexp.MustCompile(`^[A-Z]{2}$`).MatchString(c.Ingest.DefaultRegion) {
		bad("ingest.default_region: %q is not a country code such as CN", c.Ingest.DefaultRegion)
	}
	for _, d := range []struct {
		key   string
		value Duration
		least time.Duration
	}{
		{"permit_ttl", c.PermitTTL, time.Millisecond}, {"permit_orphan_after", c.PermitOrphanAfter, time.Millisecond},
		{"agent_state_timeout", c.AgentStateTimeout, time.Millisecond}, {"sampling.grace", c.Sampling.Grace, 0},
		{"sampling.quiet", c.Sampling.Quiet, 0}, {"complaint.attribution_window", c.Complaint.AttributionWindow, 0},
		{"qa.claim_ttl", c.QA.ClaimTTL, time.Second}, {"qa.due", c.QA.Due, time.Second}, {"qa.due_extra", c.QA.DueExtra, time.Second},
	} {
		if d.value.D() < d.least {
			bad("%s: %s is too short", d.key, d.value.D())
		}
	}
	if c.Sampling.OneIn < 1 {
		bad("sampling.one_in: %d; at least 1 is needed", c.Sampling.OneIn)
	}
	if c.Sampling.WeeklyOneIn < 0 || c.Sampling.ExtraOneIn < 0 {
		bad("sampling.weekly_one_in and sampling.extra_one_in: 0 = none, or 1 and more")
	}
	if c.Sampling.ExtraUntil < 1 {
		bad("sampling.extra_until: %d; at least 1 is needed", c.Sampling.ExtraUntil)
	}
	if !slices.Contains([]string{"connected", "sale"}, c.Sampling.Valid) {
		bad("sampling.valid: %q is not one of connected, sale", c.Sampling.Valid)
	}
	for i, d := range c.Sampling.Exempt {
		if d != "period" && d != "extra" {
			bad("sampling.exempt[%d]: %q is not one of period, extra: the daily and the weekly draw take everybody", i, d)
		}
	}
	if len(c.QA.Rubrics) == 0 {
		bad("qa.rubrics: at least one is needed")
	}
	if c.QA.MaxClaimed < 1 {
		bad("qa.max_claimed: %d; at least 1 is needed", c.QA.MaxClaimed)
	}
	if c.Kafka.Partitions < 1 || c.Kafka.Replication < 1 {
		bad("kafka.partitions and kafka.replication: at least 1 is needed")
	}
	switch c.Kafka.SASL.Mechanism {
	case "", "plain", "scram-sha-256", "scram-sha-512":
	default:
		bad("kafka.sasl.mechanism: %q is not one of plain, scram-sha-256, scram-sha-512", c.Kafka.SASL.Mechanism)
	}
	c.validateAlerts(bad)
	if carriers := []string{"none", "simulated"}; !slices.Contains(carriers, c.Dialer.Carrier) {
		bad("dialer.carrier: %q is not one of %s", c.Dialer.Carrier, strings.Join(carriers, ", "))
	}
	if c.Dialer.ID == "" {
		bad("dialer.id: a name is needed")
	}
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(c.ClickHouse.Database) {
		bad("clickhouse.database: %q is not a plain name", c.ClickHouse.Database)
	}
	if c.Stream.CacheEntries < 100 {
		bad("stream.cache_entries: %d; at least 100 is needed", c.Stream.CacheEntries)
	}
	if n := c.Retention.OnlineMonths; n < 3 || n > 6 {
		bad("retention.online_months: %d is not between 3 and 6 (RET-02)", n)
	}
	if n := c.Retention.RecordingsMonths; n < 12 || n > 1200 {
		bad("retention.recordings_months: %d; at least 12 are needed (RET-03)", n)
	}
	for table, n := range c.Retention.Tables {
		if n < 1 || n > 1200 {
			bad("retention.tables.%s: %d is no number of months; leave the table away to keep its rows for ever", table, n)
		}
	}
	errs = append(errs, c.checkConsole()...)
	for i, t := range c.API.Tokens {
		if len(t.Token) < 16 {
			bad("api.tokens[%d]: the token has fewer than 16 characters", i)
		}
		if len(t.Roles) == 0 {
			bad("api.tokens[%d].roles: at least one is needed", i)
		}
		for _, r := range t.Roles {
			if !slices.Contains(tokenRoles, r) {
				bad("api.tokens[%d].roles: %q is not one%s", i, r, hint(r, tokenRoles))
			}
		}
	}
	return errors.Join(errs...)
}

// Dump writes the configuration as YAML, secrets masked.
func (c *Config) Dump(w io.Writer) error {
	masked := *c
	const hidden = "********"
	if masked.Kafka.SASL.Password != "" {
		masked.Kafka.SASL.Password = hidden
	}
	if masked.ClickHouse.Password != "" {
		masked.ClickHouse.Password = hidden
	}
	if masked.Console.OIDC.ClientSecret != "" {
		masked.Console.OIDC.ClientSecret = hidden
	}
	if masked.Recordings.S3.SecretKey != "" {
		masked.Recordings.S3.SecretKey = hidden
	}
	masked.API.Tokens = slices.Clone(c.API.Tokens)
	for i := range masked.API.Tokens {
		if masked.API.Tokens[i].Token != "" {
			masked.API.Tokens[i].Token = hidden
		}
	}
	masked.Alerts.Receivers = maskReceivers(c.Alerts.Receivers, hidden)
	b, err := yaml.Marshal(&masked)
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	_, err = w.Write(b)
	return err
}

var spans = []struct {
	suffix string
	unit   time.Duration
}{{"ms", time.Millisecond}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// UnmarshalYAML reads 90s, 15m, 24h, 30d, 2w.
func (d *Duration) UnmarshalYAML(b []byte) error {
	s := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	for _, x := range spans {
		if n, err := strconv.ParseFloat(strings.TrimSuffix(s, x.suffix), 64); err == nil && strings.HasSuffix(s, x.suffix) && n >= 0 && n < 1e6 {
			*d = Duration(n * float64(x.unit))
			return nil
		}
	}
	return fmt.Errorf("%q is not a duration such as 90s, 15m, 24h or 30d", s)
}

// MarshalYAML writes the span in its largest whole unit.
func (d Duration) MarshalYAML() ([]byte, error) {
	for _, x := range []int{2, 3, 4, 5} {
		if u := spans[x].unit; d != 0 && d.D()%u == 0 {
			return fmt.Appendf(nil, "%d%s", d.D()/u, spans[x].suffix), nil
		}
	}
	if d == 0 {
		return []byte("0s"), nil
	}
	return fmt.Appendf(nil, "%dms", d.Milliseconds()), nil
}
