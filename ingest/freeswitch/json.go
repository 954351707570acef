package freeswitch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// maxFile is the most a file of records may hold: it is read as a whole, as its records need not be one a line.
const maxFile = 256 << 20

// JSON reads records of mod_json_cdr: one object, several one after the other (as JSON lines are), or an array.
type JSON struct {
	opt   Options
	r     io.Reader
	items []rows.Item
	read  bool
}

// NewJSON reads the records of r.
func NewJSON(r io.Reader, opt Options) *JSON { return &JSON{opt: opt, r: r} }

// Read returns the next record.
func (j *JSON) Read() (rows.Item, error) {
	if !j.read {
		j.read = true
		b, err := all(j.r)
		if err != nil {
			return rows.Item{}, err
		}
		j.items = j.split(b)
	}
	if len(j.items) == 0 {
		return rows.Item{}, io.EOF
	}
	it := j.items[0]
	j.items = j.items[1:]
	return it, nil
}

func all(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errors.New("the file is over 256 MiB")
	}
	return b, err
}

// split finds the records. After a broken one it goes on at the next line that begins an object.
func (j *JSON) split(b []byte) []rows.Item {
	var out []rows.Item
	line, counted := 1, 0
	add := func(from, to int, v any, broken error) {
		line += bytes.Count(b[counted:from], []byte{'\n'})
		counted = from
		p := rows.Pos{Line: line, Start: int64(from), End: int64(to), Raw: string(b[from:min(to, from+64<<10)])}
		it := rows.Item{Pos: []rows.Pos{p}, Safe: int64(to)}
		if broken == nil {
			var r rows.Row
			if r, broken = object(v, j.opt); broken == nil {
				it.Rows = []rows.Row{r}
			}
		}
		if broken != nil {
			it.Broken = broken.Error()
		}
		out = append(out, it)
	}
	off := 0
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		off = 3
	}
	inArray := false
	for {
		for off < len(b) && strings.IndexByte(" \t\r\n,", b[off]) >= 0 {
			off++
		}
		if off >= len(b) {
			return out
		}
		if b[off] == '[' && !inArray {
			inArray = true
			off++
			continue
		}
		if b[off] == ']' && inArray {
			inArray = false
			off++
			continue
		}
		d := json.NewDecoder(bytes.NewReader(b[off:]))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			next := len(b)
			for k := off + 1; k < len(b); k++ {
				if b[k] == '{' && b[k-1] == '\n' {
					next = k
					break
				}
			}
			add(off, next, nil, fmt.Errorf("not JSON: %w", err))
			off = next
			continue
		}
		end := off + int(d.InputOffset())
		add(off, end, v, nil)
		off = end
	}
}

func object(v any, opt Options) (rows.Row, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return rows.Row{}, errors.New("a record is a JSON object")
	}
	vs, ok := o["variables"].(map[string]any)
	if !ok {
		return rows.Row{}, errors.New("the record has no variables")
	}
	encoded := true
	vars, flow := map[string]string{}, map[string]string{}
	for k, x := range vs {
		switch x := x.(type) {
		case []any:
			if len(x) > 0 {
				vars[k] = fmt.Sprint(x[0])
			}
		case nil, map[string]any:
		default:
			vars[k] = fmt.Sprint(x)
		}
		if s := vars[k]; strings.ContainsAny(s, " \"<>") { // an encoded record has none of these anywhere
			encoded = false
		}
	}
	if encoded {
		for k, s := range vars {
			vars[k] = plain(s)
		}
	}
	flatten(o["callflow"], flow)
	if cd, ok := o["channel_data"].(map[string]any); ok && vars["direction"] == "" {
		vars["direction"], _ = cd["direction"].(string)
	}
	return row(vars, flow, opt)
}

// flatten reads times and the caller's profile of a callflow: an array, the last part first, or an object.
func flatten(v any, into map[string]string) {
	parts, ok := v.([]any)
	if !ok {
		parts = []any{v}
	}
	for _, p := range parts {
		m, ok := p.(map[string]any)
		if !ok {
			continue
		}
		for _, name := range []string{"times", "caller_profile"} {
			sub, _ := m[name].(map[string]any)
			for k, x := range sub {
				if s, ok := scalar(x); ok && s != "0" && s != "" && into[k] == "" {
					into[k] = plain(s)
				}
			}
		}
	}
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// FromRequest reads the record mod_json_cdr or mod_xml_cdr posts: raw, as the form field cdr, or as base64.
func FromRequest(r *http.Request, body []byte, opt Options) ([]rows.Row, error) {
	b := bytes.TrimSpace(body)
	if i := bytes.IndexByte(b, '='); i > 0 && i < 16 && !bytes.ContainsAny(b[:i], "{<[") {
		form, err := url.ParseQuery(string(b))
		if err != nil {
			return nil, fmt.Errorf("not a form: %w", err)
		}
		b = []byte(form.Get("cdr"))
		if len(b) == 0 {
			return nil, errors.New("the form has no field cdr")
		}
	}
	if len(b) > 0 && !bytes.ContainsAny(b[:1], "{<[") {
		d, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), ""))
		if err != nil {
			return nil, errors.New("neither JSON nor XML nor base64 of them")
		}
		b = bytes.TrimSpace(d)
	}
	var reader rows.Reader = NewJSON(bytes.NewReader(b), opt)
	if bytes.HasPrefix(b, []byte("<")) || strings.Contains(r.Header.Get("Content-Type"), "xml") {
		reader = NewXML(bytes.NewReader(b), opt)
	}
	var out []rows.Row
	for {
		it, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF) && len(out) == 0:
			return nil, errors.New("the body holds no record")
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		case it.Broken != "":
			return nil, errors.New(it.Broken)
		}
		out = append(out, it.Rows...)
	}
}
