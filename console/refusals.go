package console

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/internal/rubric"
)

// What is refused is said by parts that know no languages, in English sentences. The message files have each of them under
// refusal: in English as it is said, in other languages as their readers say it, with the same parameters.

// refusal is one such sentence.
type refusal struct {
	id     string
	said   *regexp.Regexp // the English text, with a group for each parameter
	length int            // of the text without its parameters
}

var parameter = regexp.MustCompile(`{{\s*\.([A-Za-z]+)\s*}}`)

// loadRefusals reads them from the English messages; the one that says most comes first.
func loadRefusals(english *locale) ([]refusal, error) {
	var out []refusal
	for _, id := range slices.Sorted(maps.Keys(english.texts)) {
		if !strings.HasPrefix(id, "refusal.") {
			continue
		}
		said, length, from := "^", 0, 0
		text := english.texts[id]
		for _, at := range parameter.FindAllStringSubmatchIndex(text, -1) {
			said += regexp.QuoteMeta(text[from:at[0]]) + "(?P<" + text[at[2]:at[3]] + ">[^;]+?)"
			length += at[0] - from
			from = at[1]
		}
		re, err := regexp.Compile(said + regexp.QuoteMeta(text[from:]) + "$")
		if err != nil {
			return nil, err
		}
		out = append(out, refusal{id, re, length + len(text) - from})
	}
	slices.SortStableFunc(out, func(a, b refusal) int { return cmp.Compare(b.length, a.length) })
	return out, nil
}

// because is why something was refused, in the reader's language: one sentence, or several with semicolons between them.
// What has no message is "" but in English: then the page says what its status means.
func (c *console) because(l *locale, detail string) string {
	if s, ok := c.sentence(l, detail); ok {
		return s
	}
	var all []string
	for part := range strings.SplitSeq(detail, "; ") {
		s, ok := c.sentence(l, part)
		if !ok {
			if l == c.locales[0] {
				return detail
			}
			return ""
		}
		all = append(all, s)
	}
	return strings.Join(all, l.texts["problem.and"])
}

func (c *console) sentence(l *locale, said string) (string, bool) {
	for _, x := range c.refusals {
		m := x.said.FindStringSubmatch(said)
		if m == nil {
			continue
		}
		var params []any
		for i, name := range x.said.SubexpNames() {
			switch name {
			case "":
				continue
			case "Status":
				m[i] = l.word("status", m[i])
			case "Check":
				m[i] = c.checkTitle(l, strings.Trim(m[i], `"`))
			}
			params = append(params, name, m[i])
		}
		s, err := l.text(x.id, params...)
		return s, err == nil
	}
	return "", false
}

// checkTitle is what a checkpoint, a standard, a taboo or a tariff asks, in the reader's language; its id where no rubric
// has it.
func (c *console) checkTitle(l *locale, id string) string {
	if c.opt.QA == nil {
		return id
	}
	for _, r := range c.opt.QA.Rubrics {
		titles := map[string]rubric.Text{}
		for _, s := range r.Sections {
			for _, x := range s.Checkpoints {
				titles[x.ID] = x.Title
			}
		}
		for _, x := range r.Standards {
			titles[x.ID] = x.Title
		}
		for _, x := range r.Taboos {
			titles[x.ID] = x.Say
		}
		for _, x := range r.Tariff {
			titles[x.ID] = x.Title
		}
		if t, ok := titles[id]; ok {
			return cmp.Or(t.In(l.rubrics()), id)
		}
	}
	return id
}
