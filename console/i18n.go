package console

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"sort"
	"strconv"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// language of the console: its messages are in one file of locales, all files have the same messages.
type locale struct {
	Tag  string // of the html element: en, zh-CN
	Name string // in the language itself
	loc  *i18n.Localizer
	// texts are the messages as they are written, by id; of a plural the form "other"
	texts map[string]string
}

// locales in the order in which they are offered; the first is the default.
var localeNames = []struct{ tag, name string }{{"en", "English"}, {"zh-CN", "简体中文"}}

// loadLocales reads the message files.
func loadLocales(files fs.FS) ([]*locale, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	var out []*locale
	for _, l := range localeNames {
		file := l.tag + ".json"
		m, err := bundle.LoadMessageFileFS(files, file)
		if err != nil {
			return nil, fmt.Errorf("read the messages %s: %w", file, err)
		}
		texts := make(map[string]string, len(m.Messages))
		for _, x := range m.Messages {
			texts[x.ID] = x.Other
		}
		out = append(out, &locale{Tag: l.tag, Name: l.name, loc: i18n.NewLocalizer(bundle, l.tag), texts: texts})
	}
	return out, nil
}

// text is a message with its parameters: pairs of a name and a value; one named Count chooses the plural. A message
// nobody wrote is an error: a page never shows its key.
func (l *locale) text(id string, params ...any) (string, error) {
	if len(params)%2 != 0 {
		return "", fmt.Errorf("message %s: parameters come in pairs", id)
	}
	cfg := &i18n.LocalizeConfig{MessageID: id}
	if len(params) > 0 {
		data := make(map[string]any, len(params)/2)
		for i := 0; i < len(params); i += 2 {
			name, ok := params[i].(string)
			if !ok {
				return "", fmt.Errorf("message %s: parameter %d is not a name", id, i)
			}
			data[name] = params[i+1]
			if name == "Count" {
				cfg.PluralCount = params[i+1]
				if n, ok := params[i+1].(uint64); ok {
					cfg.PluralCount = strconv.FormatUint(n, 10)
				}
			}
		}
		cfg.TemplateData = data
	}
	s, err := l.loc.Localize(cfg)
	if err != nil {
		return "", fmt.Errorf("message %s in %s: %w", id, l.Tag, err)
	}
	return s, nil
}

// word is the message prefix.value for a value of an enumeration; a value without a message is shown as it is.
func (l *locale) word(prefix, value string) string {
	id := prefix + "." + value
	if value == "other" { // which in a message file is a form of the plural
		id += "s"
	}
	if _, ok := l.texts[id]; !ok {
		return strings.ReplaceAll(value, "_", " ")
	}
	s, err := l.text(id)
	if err != nil {
		return value
	}
	return s
}

// rubrics is the language as rubrics name it.
func (l *locale) rubrics() string {
	if l.Tag == "zh-CN" {
		return "zh"
	}
	return l.Tag
}

// messages with a prefix, for the scripts of a page.
func (l *locale) messages(prefix string) (map[string]string, error) {
	out := map[string]string{}
	var ids []string
	for id := range l.texts {
		if strings.HasPrefix(id, prefix+".") {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	for _, id := range ids {
		s, err := l.text(id)
		if err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(id, prefix+".")] = s
	}
	return out, nil
}

// chosen is the language of a request: what the reader chose, else what his browser asks for, else the first.
func chosen(all []*locale, matcher language.Matcher, r *http.Request) *locale {
	if c, err := r.Cookie("lang"); err == nil {
		for _, l := range all {
			if l.Tag == c.Value {
				return l
			}
		}
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return all[0]
	}
	_, i, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return all[0]
	}
	return all[i]
}

func newMatcher(all []*locale) language.Matcher {
	var tags []language.Tag
	for _, l := range all {
		tags = append(tags, language.MustParse(l.Tag))
	}
	return language.NewMatcher(tags)
}

// funcs are what templates may call, in one language.
func (l *locale) funcs() template.FuncMap {
	return template.FuncMap{"t": l.text, "word": l.word}
}
