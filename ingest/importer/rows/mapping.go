package rows

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Mapping says where the fields of the contract are in a file ringfence does not know. As YAML:
//
//	delimiter: ";"                 # "," unless said
//	header: true                   # the first row names the columns; true unless names is given
//	names: [start, phone, result]  # of the columns, for a file without a header
//	time: {layout: "02/01/2006 15:04:05", zone: Europe/Moscow}
//	kind: calls                    # or agent-states, customers, complaints ...
//	constants: {purpose: sales, direction: outbound}
//	columns:
//	  number: phone                # by header, or by position from 1
//	  campaign_id: {column: userfield, match: "camp=(.*)"}
//	  outcome: {column: result, values: {OK: answered, "N/A": no_answer}}
type Mapping struct {
	Delimiter string         `yaml:"delimiter"`
	Header    *bool          `yaml:"header"`
	Names     []string       `yaml:"names"`
	Time      TimeFormat     `yaml:"time"`
	Kind      string         `yaml:"kind"`
	Constants map[string]any `yaml:"constants"`
	Columns   map[string]any `yaml:"columns"`

	fields []field
}

// TimeFormat is how times are written; the layout is Go's. "unix" and "unix_ms" are numbers.
type TimeFormat struct {
	Layout string `yaml:"layout"`
	Zone   string `yaml:"zone"`
}

type field struct {
	name, column string
	match        *regexp.Regexp
	values       map[string]string
}

// ParseMapping reads a mapping. An unknown key is an error.
func ParseMapping(b []byte) (*Mapping, error) {
	m := &Mapping{}
	if err := yaml.UnmarshalWithOptions(b, m, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("mapping: %w", err)
	}
	if m.Delimiter == "" {
		m.Delimiter = ","
	}
	if m.Delimiter == `\t` || m.Delimiter == "tab" {
		m.Delimiter = "\t"
	}
	if len([]rune(m.Delimiter)) != 1 || strings.ContainsAny(m.Delimiter, "\"\r\n") {
		return nil, fmt.Errorf("mapping: delimiter %q is not one character", m.Delimiter)
	}
	if _, err := time.LoadLocation(m.Time.Zone); err != nil {
		return nil, fmt.Errorf("mapping: time zone: %w", err)
	}
	for name, v := range m.Columns {
		f := field{name: name}
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				switch k {
				case "column":
					f.column = fmt.Sprint(x)
				case "match":
					re, err := regexp.Compile(fmt.Sprint(x))
					if err != nil || re.NumSubexp() < 1 {
						return nil, fmt.Errorf("mapping: columns.%s.match needs a pattern with one group", name)
					}
					f.match = re
				case "values":
					vs, ok := x.(map[string]any)
					if !ok {
						return nil, fmt.Errorf("mapping: columns.%s.values is no map", name)
					}
					f.values = map[string]string{}
					for a, b := range vs {
						f.values[a] = fmt.Sprint(b)
					}
				default:
					return nil, fmt.Errorf("mapping: columns.%s: unknown key %q (column, match, values)", name, k)
				}
			}
		case []any, nil:
			return nil, fmt.Errorf("mapping: columns.%s: a column's name or position is needed", name)
		default:
			f.column = fmt.Sprint(v)
		}
		if f.column == "" {
			return nil, fmt.Errorf("mapping: columns.%s names no column", name)
		}
		m.fields = append(m.fields, f)
	}
	slices.SortFunc(m.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return m, nil
}

// Check tells of a column that is mapped and not there.
func (m *Mapping) Check(names []string) error {
	for _, f := range m.fields {
		if index(names, f.column) < 0 {
			return fmt.Errorf("mapping: columns.%s: there is no column %q among %s", f.name, f.column, strings.Join(names, ", "))
		}
	}
	return nil
}

func index(names []string, column string) int {
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), column) }); i >= 0 {
		return i
	}
	var n int
	if _, err := fmt.Sscanf(column, "%d", &n); err == nil && fmt.Sprint(n) == column && n >= 1 && n <= len(names) {
		return n - 1
	}
	return -1
}

// Fields returns what the mapping makes of a row: the contract's fields as strings, empty ones left out.
func (m *Mapping) Fields(names, values []string) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range m.Constants {
		out[k] = fmt.Sprint(v)
	}
	for _, f := range m.fields {
		i := index(names, f.column)
		if i < 0 || i >= len(values) {
			continue
		}
		v := strings.TrimSpace(values[i])
		if f.match != nil {
			g := f.match.FindStringSubmatch(v)
			if g == nil {
				continue
			}
			v = g[1]
		}
		if f.values != nil {
			to, ok := f.values[v]
			if !ok {
				if to, ok = f.values["*"]; !ok {
					return nil, fmt.Errorf("%s: %q is not among the mapped values", f.name, v)
				}
			}
			v = to
		}
		if v != "" {
			out[f.name] = v
		}
	}
	return out, nil
}

// Apply lets the mapping overrule fields of a call; times are the reader's own.
func (m *Mapping) Apply(c *Call, record map[string]string) error {
	names, values := make([]string, 0, len(record)), make([]string, 0, len(record))
	for k, v := range record {
		names, values = append(names, k), append(values, v)
	}
	f, err := m.Fields(names, values)
	if err != nil {
		return err
	}
	if f["customer_id"] != "" && f["number"] == "" {
		c.Number = ""
	}
	if f["number"] != "" && f["customer_id"] == "" {
		c.CustomerID = ""
	}
	obj := map[string]any{}
	for k, v := range f {
		if obj[k], err = Value(k, v, "", time.UTC); err != nil {
			return err
		}
	}
	j, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	return json.Unmarshal(j, c)
}

// Value gives a field of the contract its JSON type.
func Value(name, v, layout string, zone *time.Location) (any, error) {
	switch {
	case strings.HasSuffix(name, "_at") || name == "at":
		t, err := parseTime(v, layout, zone)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return Time(t), nil
	case strings.HasSuffix(name, "_ms") || name == "hangup_cause" || name == "priority":
		var n json.Number = json.Number(v)
		if _, err := n.Int64(); err != nil {
			return nil, fmt.Errorf("%s: %q is no whole number", name, v)
		}
		return n, nil
	}
	switch name {
	case "reached", "completed", "opt_out", "inbound_lead", "left_network":
		switch strings.ToLower(v) {
		case "true", "1", "yes", "y":
			return true, nil
		case "false", "0", "no", "n":
			return false, nil
		}
		return nil, fmt.Errorf("%s: %q is neither true nor false", name, v)
	case "products", "refused", "ordered", "numbers", "numbers_removed", "groups", "clear_refusals":
		return strings.FieldsFunc(v, func(r rune) bool { return r == '|' || r == ';' || r == ',' || r == ' ' }), nil
	}
	return v, nil
}

func parseTime(v, layout string, zone *time.Location) (time.Time, error) {
	switch layout {
	case "unix", "unix_ms":
		var f float64
		if _, err := fmt.Sscanf(v, "%g", &f); err != nil || f < 0 || f > 1e14 {
			return time.Time{}, fmt.Errorf("%q is no Unix time", v)
		}
		if layout == "unix" {
			f *= 1000
		}
		return time.UnixMilli(int64(f)).In(zone), nil
	case "":
		for _, l := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
			if t, err := time.ParseInLocation(l, v, zone); err == nil {
				return t, nil
			}
		}
		return time.Time{}, fmt.Errorf("%q is no time like 2006-01-02 15:04:05 (another layout needs --map)", v)
	}
	t, err := time.ParseInLocation(layout, v, zone)
	if err != nil {
		return t, fmt.Errorf("%q is no time like %s", v, layout)
	}
	return t, nil
}
