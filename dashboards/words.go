package dashboards

import (
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/ringfence/ringfence/internal/locales"
)

// Words are what a language calls the data's words: by the name of a column, then by what the data say. Under "" are the
// names of lines.
type Words map[string]map[string]string

// WordsIn is what a language calls the words of the columns.
func WordsIn(lang Lang) (Words, error) {
	tag := "en"
	if lang == Chinese {
		tag = "zh-CN"
	}
	groups, err := locales.Of(tag)
	if err != nil {
		return nil, err
	}
	out := Words{"": groups["series"]}
	for column, group := range termsOf() {
		out[column] = groups[group]
	}
	return out, nil
}

// Of is what the values of a column are called; what is missing there stands as it is. Nil for a column that holds no words.
func (w Words) Of(column, unit string) map[string]string {
	if unit == "word" || column == "purpose" || column == "rule" {
		return w[column]
	}
	return nil
}

// termsOf are the groups of messages of what columns say in single words, by the name of the column.
func termsOf() map[string]string {
	return map[string]string{
		"outcome": "outcome", "answered_by": "answeredby", "disposition": "disposition", "purpose": "purpose", "draw": "draw", "state": "state", "alert_state": "alertstate", "status": "permitstatus", "permit": "permitlack",
		"kind": "kind", "dimension": "dimension", "verdict": "dialling", "by": "verdictby", "severity": "gravity", "level": "gravity", "category": "category", "action": "action", "fatal": "yesfatal", "what": "gap", "fact": "fact",
		"rule": "rule",
	}
}

// mappings show the data's words as Grafana's value mappings; none where they read well as they are.
func mappings(words map[string]string) []dashboard.ValueMapping {
	options := map[string]dashboard.ValueMappingResult{}
	for i, value := range slices.Sorted(maps.Keys(words)) {
		if text := words[value]; text != value {
			options[value] = dashboard.ValueMappingResult{Text: &text, Index: cog.ToPtr(int32(i))}
		}
	}
	if len(options) == 0 {
		return nil
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}
