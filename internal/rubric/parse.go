package rubric

import (
	"embed"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ringfence/ringfence/internal/nearest"
)

//go:embed rubrics/*.yaml
var shipped embed.FS

// Default is the rubric that is shipped (SCO-13..15, REQUIREMENTS section C and L).
const Default = "standard"

// maxSource bounds what is read as a rubric, in bytes.
const maxSource = 1 << 20

// Load reads a shipped rubric by name, or a file.
func Load(nameOrFile string) (*Rubric, error) {
	if !strings.ContainsAny(nameOrFile, `/\`) {
		if b, err := shipped.ReadFile("rubrics/" + nameOrFile + ".yaml"); err == nil {
			return Parse(nameOrFile, b)
		}
	}
	b, err := os.ReadFile(nameOrFile)
	if err != nil {
		return nil, fmt.Errorf("rubric %q is neither the shipped one (%s) nor a file that can be read: %w", nameOrFile, Default, err)
	}
	return Parse(nameOrFile, b)
}

// Parse reads a rubric and says everything that is wrong with it, each with file, line and column.
func Parse(where string, src []byte) (*Rubric, error) {
	if len(src) > maxSource {
		return nil, fmt.Errorf("%s: larger than %d bytes", where, maxSource)
	}
	file, err := parser.ParseBytes(src, 0)
	if err != nil {
		return nil, located(where, err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s:1:1: expected one document that begins with rubric: NAME", where)
	}
	r := &Rubric{}
	if err := yaml.NodeToValue(file.Docs[0].Body, r, yaml.Strict()); err != nil {
		return nil, located(where, err)
	}
	c := &checker{where: where, file: file, ids: map[string]bool{}}
	c.rubric(r)
	return r, errors.Join(c.errs...)
}

// located puts file, line and column before what goccy says.
func located(where string, err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil && y.GetToken().Position != nil {
		p := y.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", where, p.Line, p.Column, y.GetMessage())
	}
	return fmt.Errorf("%s: %w", where, err)
}

type checker struct {
	where string
	file  *ast.File
	errs  []error
	ids   map[string]bool
}

// wrong notes what is wrong at a YAML path.
func (c *checker) wrong(path, format string, a ...any) {
	line, col := 1, 1
	for p := path; p != "$" && p != ""; { // a field that is missing is pointed to by what it is missing from
		yp, err := yaml.PathString(p)
		if err == nil {
			if n, err := yp.FilterFile(c.file); err == nil && n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
				line, col = n.GetToken().Position.Line, n.GetToken().Position.Column
				if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
					pos := m.Values[0].Key.GetToken().Position
					line, col = pos.Line, pos.Column
				}
				break
			}
		}
		p = p[:max(0, strings.LastIndexAny(p, ".["))]
	}
	c.errs = append(c.errs, fmt.Errorf("%s:%d:%d: %s: %s", c.where, line, col, strings.TrimPrefix(path, "$."), fmt.Sprintf(format, a...)))
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	idForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

func (c *checker) id(path, id string) {
	switch {
	case !idForm.MatchString(id):
		c.wrong(path+".id", "%q: expected letters, digits, dots, dashes and underscores, at most 64", id)
	case c.ids[id]:
		c.wrong(path+".id", "%q is there twice", id)
	case slices.Contains(conditions, id):
		c.wrong(path+".id", "%q is a word of the tariff", id)
	}
	c.ids[id] = true
}

func (c *checker) text(path string, t Text) {
	if t.In("en") == "" {
		c.wrong(path, "expected a wording in en or zh")
	}
	for lang := range t {
		if lang != "en" && lang != "zh" {
			c.wrong(path, "language %q: expected en or zh", lang)
		}
	}
}

func (c *checker) between(path string, v, lo, hi float64) {
	if !(v >= lo && v <= hi) { // so that NaN is refused as well
		c.wrong(path, "%v: expected %v to %v", v, lo, hi)
	}
}

func (c *checker) rubric(r *Rubric) {
	if !nameForm.MatchString(r.Name) {
		c.wrong("$.rubric", "%q: expected lower case letters, digits, dots, dashes and underscores", r.Name)
	}
	if r.Version < 1 {
		c.wrong("$.version", "%d: expected 1 or more", r.Version)
	}
	if r.Partial == nil {
		half := 0.5
		r.Partial = &half
	}
	c.between("$.partial", *r.Partial, 0, 1)
	sum := 0.0
	for i := range r.Sections {
		c.section(fmt.Sprintf("$.sections[%d]", i), &r.Sections[i])
		sum += r.Sections[i].Weight
	}
	if len(r.Sections) == 0 {
		c.wrong("$.sections", "expected at least one")
	} else if math.Abs(sum-100) > 1e-9 {
		c.wrong("$.sections", "the weights sum to %v, expected 100", sum)
	}
	for i, x := range r.Standards {
		p := fmt.Sprintf("$.standards[%d]", i)
		c.id(p, x.ID)
		c.text(p+".title", x.Title)
	}
	for i, x := range r.Taboos {
		p := fmt.Sprintf("$.taboos[%d]", i)
		c.id(p, x.ID)
		c.text(p+".say", x.Say)
		c.between(p+".points", x.Points, 0, 100)
	}
	asked := make([]string, 0, len(c.ids)+len(conditions))
	for id := range c.ids {
		asked = append(asked, id)
	}
	slices.Sort(asked)
	for i, x := range r.Tariff {
		p := fmt.Sprintf("$.tariff[%d]", i)
		c.id(p, x.ID)
		c.text(p+".title", x.Title)
		c.between(p+".amount", x.Amount, 0, 1e6)
		for j, w := range x.When {
			if known := append(slices.Clone(conditions), asked...); !slices.Contains(known, w) {
				hint := ""
				if best := nearest.Word(w, known); best != "" {
					hint = fmt.Sprintf("; did you mean %q?", best)
				}
				c.wrong(fmt.Sprintf("%s.when[%d]", p, j), "%q is neither an id above nor one of %s%s", w, strings.Join(conditions, ", "), hint)
			}
		}
	}
}

func (c *checker) section(path string, s *Section) {
	c.id(path, s.ID)
	c.text(path+".title", s.Title)
	c.between(path+".weight", s.Weight, 0.01, 100)
	if len(s.Checkpoints) == 0 {
		c.wrong(path+".checkpoints", "expected at least one")
	}
	for i := range s.Checkpoints {
		x, p := &s.Checkpoints[i], fmt.Sprintf("%s.checkpoints[%d]", path, i)
		c.id(p, x.ID)
		c.text(p+".title", x.Title)
		if x.Weight == 0 {
			x.Weight = 1
		}
		c.between(p+".weight", x.Weight, 0.01, 100)
		if len(x.Answers) == 0 {
			x.Answers = []string{Yes, No, NA}
		}
		for _, a := range x.Answers {
			if !slices.Contains([]string{Yes, Partial, No, NA}, a) {
				c.wrong(p+".answers", "%q is not one of yes, partial, no, na", a)
			}
		}
		if !slices.Contains(x.Answers, Yes) || !slices.Contains(x.Answers, No) {
			c.wrong(p+".answers", "expected at least yes and no")
		}
	}
}
