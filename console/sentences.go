package console

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/internal/rubric"
)

// What is refused, and what the watch tells of an incident, is said by parts that know no languages, in English sentences.
// The message files have each of them under refusal and told: in English as it is said, in other languages as their readers
// say it, with the same parameters.

// sentence is one of them.
type sentence struct {
	id     string
	said   *regexp.Regexp // the English text, with a group for each parameter
	length int            // of the text without its parameters
}

var parameter = regexp.MustCompile(`{{\s*\.([A-Za-z]+)\s*}}`)

// loadSentences reads them from the English messages; the one that says most comes first.
func loadSentences(english *locale, prefix string) ([]sentence, error) {
	var out []sentence
	for _, id := range slices.Sorted(maps.Keys(english.texts)) {
		if !strings.HasPrefix(id, prefix+".") {
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
		out = append(out, sentence{id, re, length + len(text) - from})
	}
	slices.SortStableFunc(out, func(a, b sentence) int { return cmp.Compare(b.length, a.length) })
	return out, nil
}

// because is why something was refused, in the reader's language: one sentence, or several with semicolons between them.
// What has no message is "" but in English: then the page says what its status means.
func (c *console) because(l *locale, detail string) string {
	if s, ok := c.translated(l, c.refusals, detail); ok {
		return s
	}
	var all []string
	for part := range strings.SplitSeq(detail, "; ") {
		s, ok := c.translated(l, c.refusals, part)
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

// telling is what the watch tells, in the reader's language; what has no message as it is.
func (c *console) telling(l *locale, said string) string {
	if s, ok := c.translated(l, c.told, said); ok && l != c.locales[0] {
		return s
	}
	return said
}

// tellings are what telling goes by, for the script of a page: expressions and what stands for what they match.
func (c *console) tellings(l *locale) [][2]string {
	out := [][2]string{}
	if l == c.locales[0] {
		return out
	}
	for _, x := range c.told {
		out = append(out, [2]string{strings.ReplaceAll(x.said.String(), "(?P<", "(?<"), parameter.ReplaceAllString(l.texts[x.id], "{$1}")})
	}
	return out
}

func (c *console) translated(l *locale, all []sentence, said string) (string, bool) {
	for _, x := range all {
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
			case "Kind":
				m[i] = l.word("kind", strings.ReplaceAll(m[i], " ", "_"))
			case "State":
				m[i] = l.word("state", m[i])
			case "Times":
				m[i] = strings.Replace(m[i], "less than", "<", 1)
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
