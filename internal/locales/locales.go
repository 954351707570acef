// Package locales holds the messages of the console in every language. The exported dashboards take the words of the data
// from the same files.
package locales

import (
	"embed"
	"encoding/json"
	"fmt"
)

// Files are the message files, each named by its language: en.json.
//
//go:embed *.json
var Files embed.FS

// Words are the messages of enumerations, by group and then by what the data say.
type Words map[string]map[string]string

// Of is what a language (en, zh-CN) calls the values of enumerations: the groups of plain messages.
func Of(tag string) (Words, error) {
	b, err := Files.ReadFile(tag + ".json")
	if err != nil {
		return nil, fmt.Errorf("read the messages: %w", err)
	}
	var all map[string]map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read the messages %s: %w", tag, err)
	}
	out := Words{}
	for group, messages := range all {
		out[group] = map[string]string{}
		for value, m := range messages {
			if value == "others" { // in a message file, other is a form of the plural
				value = "other"
			}
			if s, ok := m.(string); ok {
				out[group][value] = s
			}
		}
	}
	return out, nil
}
