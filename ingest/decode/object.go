package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/internal/nearest"
)

// Problem is one thing wrong with an object. Status is 400 (not of the right form) or 422 (a value that cannot be).
type Problem struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
	Status  int    `json:"-"`
}

// Problems are everything wrong with one object; none means it is good.
type Problems []Problem

// Status of the whole: 400 if anything is of the wrong form, else 422.
func (p Problems) Status() int {
	for _, x := range p {
		if x.Status == 400 {
			return 400
		}
	}
	return 422
}

func (p Problems) Error() string {
	parts := make([]string, len(p))
	for i, x := range p {
		parts[i] = strings.TrimSpace(x.Pointer + " " + x.Detail)
	}
	return strings.Join(parts, "; ")
}

// Field describes one field for the OpenAPI document.
type Field struct {
	Name     string
	Type     string // string, date-time, integer, boolean, telephone, strings, telephones, object, booleans, enum
	Required bool
	Enum     []string
	Fields   []Field // of an object
}

// object reads one JSON object field by field and collects what is wrong with it. With describe set it reads nothing
// and collects the fields instead, so that the documentation is the decoder itself.
type object struct {
	path     string
	pairs    []pair
	used     []bool
	known    []string
	problems *Problems
	describe *[]Field
}

type pair struct {
	name string
	raw  []byte
}

// parse splits an object into its fields; the body must be valid JSON.
func parse(path string, body []byte, problems *Problems) (*object, bool) {
	dec := json.NewDecoder(bytes.NewReader(body))
	tok, err := dec.Token()
	if err != nil || tok != json.Delim('{') {
		*problems = append(*problems, Problem{path, "expected a JSON object", 400})
		return nil, false
	}
	o := &object{path: path, problems: problems}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, false
		}
		name := key.(string)
		if slices.ContainsFunc(o.pairs, func(p pair) bool { return p.name == name }) {
			o.wrong(name, "stands twice", 400)
			continue
		}
		o.pairs = append(o.pairs, pair{name, raw})
	}
	o.used = make([]bool, len(o.pairs))
	return o, true
}

func pointer(path, name string) string {
	return path + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func (o *object) wrong(name, detail string, status int) {
	*o.problems = append(*o.problems, Problem{pointer(o.path, name), detail, status})
}

// wrongItem points to the i-th entry of a list.
func (o *object) wrongItem(name string, i int, detail string, status int) {
	*o.problems = append(*o.problems, Problem{pointer(o.path, name) + "/" + strconv.Itoa(i), detail, status})
}

// take finds a field; a missing required one is a problem.
func (o *object) take(f Field) ([]byte, bool) {
	if o.describe != nil {
		*o.describe = append(*o.describe, f)
		return nil, false
	}
	o.known = append(o.known, f.Name)
	for i, p := range o.pairs {
		if p.name == f.Name {
			o.used[i] = true
			return p.raw, true
		}
	}
	if f.Required {
		o.wrong(f.Name, "is missing", 400)
	}
	return nil, false
}

func (o *object) has(name string) bool {
	return slices.ContainsFunc(o.pairs, func(p pair) bool { return p.name == name })
}

// end refuses the fields nobody asked for.
func (o *object) end() {
	for i, p := range o.pairs {
		if !o.used[i] {
			o.wrong(p.name, "is not a field of this object"+suggestion(p.name, o.known), 400)
		}
	}
}

func suggestion(word string, known []string) string {
	if best := nearest.Word(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

const maxText = 4096

// text reads a string; ids must not be empty nor hold control characters.
func (o *object) text(name string, required bool) (string, bool) {
	return o.textOf(Field{Name: name, Type: "string", Required: required})
}

func (o *object) textOf(f Field) (string, bool) {
	raw, ok := o.take(f)
	if !ok {
		return "", false
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.wrong(f.Name, "expected a string", 400)
		return "", false
	}
	if len(s) > maxText {
		o.wrong(f.Name, fmt.Sprintf("is longer than %d bytes", maxText), 422)
		return "", false
	}
	if f.Required && s == "" {
		o.wrong(f.Name, "is empty", 422)
		return "", false
	}
	return s, true
}

// id is text that names something: short, no control characters.
func (o *object) id(name string, required bool) (string, bool) {
	s, ok := o.text(name, required)
	if !ok {
		return "", false
	}
	if len(s) > 200 {
		o.wrong(name, "is longer than 200 bytes", 422)
		return "", false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffd }) {
		o.wrong(name, "holds a control character or broken text", 422)
		return "", false
	}
	if s == "" && !required {
		o.wrong(name, "is empty", 422)
		return "", false
	}
	return s, true
}

func (o *object) enum(name string, required bool, values ...string) (string, bool) {
	s, ok := o.textOf(Field{Name: name, Type: "enum", Required: required, Enum: values})
	if !ok {
		return "", false
	}
	if !slices.Contains(values, s) {
		o.wrong(name, fmt.Sprintf("%q is not one of %s", clip(s), strings.Join(values, ", ")), 422)
		return "", false
	}
	return s, true
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// instant reads RFC 3339 with an offset, to the millisecond.
func (o *object) instant(name string, required bool) (int64, bool) {
	s, ok := o.textOf(Field{Name: name, Type: "date-time", Required: required})
	if !ok {
		return 0, false
	}
	ms, err := Instant(s)
	if err != nil {
		o.wrong(name, err.Error(), 422)
		return 0, false
	}
	return ms, true
}

// Instant reads a time as the contract wants it: RFC 3339, an offset, at most milliseconds, years 1970 to 9999.
func Instant(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !strict(s) {
		return 0, fmt.Errorf("%q is not a time such as 2026-03-02T10:00:00.000+08:00 (the offset is needed)", clip(s))
	}
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		return 0, fmt.Errorf("%q is finer than a millisecond", clip(s))
	}
	ms := t.UnixMilli()
	if ms <= 0 || t.Year() > 9999 {
		return 0, fmt.Errorf("%q is not between 1970 and 9999", clip(s))
	}
	return ms, nil
}

// strict refuses what time.Parse takes and RFC 3339 does not: T1:00, a comma, +24:00.
func strict(s string) bool {
	if len(s) < 20 || s[13] != ':' || s[19] == ',' {
		return false
	}
	if s[len(s)-1] == 'Z' {
		return true
	}
	zone := s[len(s)-6:] // +hh:mm
	return zone[1:3] < "24" && zone[4:] < "60"
}

func (o *object) integer(name string, required bool, lo, hi int64) (int64, bool) {
	raw, ok := o.take(Field{Name: name, Type: "integer", Required: required})
	if !ok {
		return 0, false
	}
	var n json.Number
	if raw[0] == '"' || json.Unmarshal(raw, &n) != nil || n == "" {
		o.wrong(name, "expected an integer", 400)
		return 0, false
	}
	v, err := n.Int64()
	if err != nil {
		o.wrong(name, "expected an integer", 400)
		return 0, false
	}
	if v < lo || v > hi {
		o.wrong(name, fmt.Sprintf("%d is not between %d and %d", v, lo, hi), 422)
		return 0, false
	}
	return v, true
}

func (o *object) boolean(name string) (value, ok bool) {
	raw, ok := o.take(Field{Name: name, Type: "boolean"})
	if !ok {
		return false, false
	}
	switch string(raw) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	o.wrong(name, "expected true or false", 400)
	return false, false
}

// texts reads a list of distinct, non-empty strings.
func (o *object) texts(name string) ([]string, bool) {
	return o.textsOf(Field{Name: name, Type: "strings"})
}

func (o *object) textsOf(f Field) ([]string, bool) {
	raw, ok := o.take(f)
	if !ok {
		return nil, false
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		o.wrong(f.Name, "expected a list of strings", 400)
		return nil, false
	}
	out := make([]string, 0, len(items))
	for i, it := range items {
		var s string
		if len(it) == 0 || it[0] != '"' || json.Unmarshal(it, &s) != nil {
			o.wrongItem(f.Name, i, "expected a string", 400)
			return nil, false
		}
		if s == "" || len(s) > 200 {
			o.wrongItem(f.Name, i, "is empty or longer than 200 bytes", 422)
			return nil, false
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if len(out) > 1000 {
		o.wrong(f.Name, "has more than 1000 entries", 422)
		return nil, false
	}
	return out, true
}

// sub opens an object inside.
func (o *object) sub(name string, describe func(*object)) (*object, bool) {
	f := Field{Name: name, Type: "object"}
	if o.describe != nil {
		d := &object{describe: &f.Fields}
		describe(d)
	}
	raw, ok := o.take(f)
	if !ok {
		return nil, false
	}
	if raw[0] != '{' {
		o.wrong(name, "expected an object", 400)
		return nil, false
	}
	return parse(pointer(o.path, name), raw, o.problems)
}

// entries reads an object whose names are free.
func (o *object) entries(name, kind string) (*object, bool) {
	raw, ok := o.take(Field{Name: name, Type: kind})
	if !ok {
		return nil, false
	}
	if raw[0] != '{' {
		o.wrong(name, "expected an object", 400)
		return nil, false
	}
	return parse(pointer(o.path, name), raw, o.problems)
}

// opaque reads an object as it is; with lists set, a list or a string may stand in its place.
func (o *object) opaque(name string, lists bool) []byte {
	raw, ok := o.take(Field{Name: name, Type: "object"})
	if !ok {
		return nil
	}
	if raw[0] != '{' && (!lists || raw[0] != '[' && raw[0] != '"') {
		o.wrong(name, "expected an object", 400)
		return nil
	}
	return raw
}
