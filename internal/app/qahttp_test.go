package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/internal/rubric"
)

func TestStrictSaysWhatIsWrong(t *testing.T) {
	for body, want := range map[string]string{
		`{"sheeet":{}}`:                   `/sheeet: unknown field "sheeet"`,
		`{"seq":"one"}`:                   "/seq: expected int64, not string",
		`{"sheet":{"checks":[{"id":1}]}}`: "/sheet/checks",
		`{"seq":1}{"seq":2}`:              "one object is expected",
		`{"seq":`:                         "unexpected EOF",
		`[]`:                              "expected app.commandJSON, not array",
		`{"sheet":{"markers":[{"at_ms":"soon"}]}}`: "expected int64, not string",
	} {
		var c commandJSON
		err := strict(strings.NewReader(body), &c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	var c commandJSON
	if err := strict(strings.NewReader(""), &c); err != nil {
		t.Errorf("no body says nothing: %v", err)
	}
}

// FuzzCommand: whatever body comes, it is refused as not of the right form, or its sheet can be judged.
func FuzzCommand(f *testing.F) {
	r, err := rubric.Load(rubric.Default)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{`{"sheet":{"rubric":"standard@1","sale":true,"checks":[{"id":"norm.time","answer":"yes","comment":"x"}],"markers":[{"at_ms":5,"text":"here"}]},"publish":true}`,
		`{"as":{"user_id":"ann","roles":["qa"]},"seq":3,"sheet":{}}`, `{"side":"support","vote":"amend","reason":"r","amended":{"checks":[]}}`, `{"sheet":null}`, `{"checkpoints":[null]}`, "", "{}", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c commandJSON
		if err := strict(strings.NewReader(string(body)), &c); err != nil {
			var form *notForm
			if !errors.As(err, &form) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		sheet := c.Sheet.message()
		if sheet == nil {
			return
		}
		if got, problems := rubric.Score(r, sheet); got.Score < 0 || got.Score > 100 || got.Passed && (got.Fatal || got.Score < rubric.PassMark) || len(sheet.Checks) == 0 && len(problems) == 0 {
			t.Fatalf("%q: %v %v", body, got, problems)
		}
	})
}
