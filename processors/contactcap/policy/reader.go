package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/ringfence/ringfence/internal/nearest"
)

// reader reads YAML nodes and collects what is wrong, each with its place.
type reader struct {
	where string
	errs  []error
}

func (r *reader) at(n ast.Node, what string) error {
	line, col := 1, 1
	if t := n.GetToken(); t != nil && t.Position != nil {
		line, col = t.Position.Line, t.Position.Column
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		if t := m.Values[0].Key.GetToken(); t != nil && t.Position != nil {
			line, col = t.Position.Line, t.Position.Column
		}
	}
	return fmt.Errorf("%s:%d:%d: %s", r.where, line, col, what)
}

// syntax gives what the parser says in the form of all other errors: file, line, column.
func (r *reader) syntax(err error) error {
	var bad yaml.Error
	if !errors.As(err, &bad) {
		return fmt.Errorf("%s:1:1: %w", r.where, err)
	}
	line, col := 1, 1
	if t := bad.GetToken(); t != nil && t.Position != nil {
		line, col = t.Position.Line, t.Position.Column
	}
	return fmt.Errorf("%s:%d:%d: %s", r.where, line, col, bad.GetMessage())
}

func (r *reader) fail(n ast.Node, what string) { r.errs = append(r.errs, r.at(n, what)) }

// fields is a mapping being read key by key. A nil one has no keys.
type fields struct {
	r     *reader
	pairs []*ast.MappingValueNode
	used  []bool
	known []string
}

func (r *reader) mapping(n ast.Node, what string) *fields {
	f := &fields{r: r}
	switch m := unwrap(n).(type) {
	case *ast.MappingNode:
		f.pairs = m.Values
	case *ast.MappingValueNode:
		f.pairs = []*ast.MappingValueNode{m}
	default:
		r.fail(n, "expected "+what)
		return nil
	}
	f.used = make([]bool, len(f.pairs))
	return f
}

// unwrap looks through anchors and tags.
func unwrap(n ast.Node) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
}

func (f *fields) take(name string) ast.Node {
	if f == nil {
		return nil
	}
	f.known = append(f.known, name)
	for i, p := range f.pairs {
		if p.Key.GetToken().Value == name {
			f.used[i] = true
			return unwrap(p.Value)
		}
	}
	return nil
}

func (f *fields) end() {
	if f == nil {
		return
	}
	for i, p := range f.pairs {
		if !f.used[i] {
			key := p.Key.GetToken().Value
			f.r.fail(p.Key, fmt.Sprintf("unknown field %q%s", key, suggestion(key, f.known)))
		}
	}
}

func suggestion(word string, known []string) string {
	if best := nearest.Word(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; expected one of " + strings.Join(known, ", ")
}

// text reads a scalar as it is written.
func (r *reader) text(n ast.Node) string {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return x.GetToken().Value
	case *ast.LiteralNode:
		return x.Value.Value
	}
	r.fail(n, "expected a word")
	return ""
}

func (r *reader) integer(n ast.Node, lo, hi int) int {
	v, err := strconv.Atoi(n.GetToken().Value)
	if _, ok := n.(*ast.IntegerNode); !ok || err != nil || v < lo || v > hi {
		r.fail(n, fmt.Sprintf("expected a whole number of at least %d", lo))
		return lo
	}
	return v
}

func (r *reader) boolean(n ast.Node) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.fail(n, "expected true or false")
		return false
	}
	return b.Value
}

func (r *reader) sequence(n ast.Node) []ast.Node {
	s, ok := unwrap(n).(*ast.SequenceNode)
	if !ok {
		r.fail(n, "expected a list")
		return nil
	}
	return s.Values
}

// texts reads a list, or a scalar in its place.
func (r *reader) texts(n ast.Node) []string {
	s, ok := unwrap(n).(*ast.SequenceNode)
	if !ok {
		if t := r.text(n); t != "" {
			return []string{t}
		}
		return nil
	}
	var out []string
	for _, x := range s.Values {
		out = append(out, r.text(unwrap(x)))
	}
	if len(out) == 0 {
		r.fail(n, "the list is empty")
	}
	return out
}

// words reads texts that must be among some.
func (r *reader) words(n ast.Node, allowed ...string) []string {
	out := r.texts(n)
	for _, w := range out {
		if !slices.Contains(allowed, w) {
			r.fail(n, fmt.Sprintf("%q is not one of %s", w, strings.Join(allowed, ", ")))
			return nil
		}
	}
	return out
}

func (r *reader) oneOf(n ast.Node, allowed ...string) int {
	t := r.text(n)
	i := slices.Index(allowed, t)
	if i < 0 {
		r.fail(n, fmt.Sprintf("%q is not one of %s", t, strings.Join(allowed, ", ")))
		return 0
	}
	return i
}
