package nearest

import "testing"

func TestWord(t *testing.T) {
	known := []string{"campaign", "agent", "team"}
	for word, want := range map[string]string{"campain": "campaign", "agnet": "agent", "tea": "team", "qqqqqqqqqqqq": ""} {
		if got := Word(word, known); got != want {
			t.Errorf("Word(%q) = %q, want %q", word, got, want)
		}
	}
}
