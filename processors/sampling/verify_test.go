package sampling

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// numbered is a day of one agent as the processor draws it: n before the close, late after it.
func numbered(key []byte, agent, day string, n, late, oneIn int64) []Numbered {
	var out []Numbered
	last := Close(key, agent, day, n, oneIn)
	for seq := int64(1); seq <= n+late; seq++ {
		closedAt := int64(-1)
		if seq > n {
			closedAt = n
		}
		out = append(out, Numbered{agent, seq, fmt.Sprintf("%s-%d", agent, seq), seq > n, Arrive(key, agent, day, seq, closedAt, oneIn) || seq == last})
	}
	return out
}

func published(key []byte) Published {
	sum := sha256.Sum256(key)
	return Published{hex.EncodeToString(sum[:]), hex.EncodeToString(key)}
}

func TestVerifyFindsTheDrawRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := DayKey([]byte(rapid.String().Draw(t, "secret")), "2026-11-24")
		var rows []Numbered
		required := 0
		oneIn := rapid.Int64Range(1, 12).Draw(t, "oneIn")
		for a := range rapid.IntRange(0, 4).Draw(t, "agents") {
			n, late := rapid.Int64Range(0, 45).Draw(t, "n"), rapid.Int64Range(0, 25).Draw(t, "late")
			day := numbered(key, fmt.Sprint("a", a), "2026-11-24", n, late, oneIn)
			drawn := 0
			for _, x := range day {
				if x.Daily {
					drawn++
				}
			}
			if total := int(n + late); drawn < (total+int(oneIn)-1)/int(oneIn) {
				t.Fatalf("%d of %d drawn, one in %d", drawn, total, oneIn)
			}
			rows = append(rows, day...)
			required += (int(n+late) + int(oneIn) - 1) / int(oneIn)
		}
		r, err := Verify("2026-11-24", published(key), oneIn, rows, nil)
		if err != nil || !r.OK || r.Required != required || r.Population != len(rows) {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}

func TestVerifyFindsWhatWasTamperedWith(t *testing.T) {
	const day = "2026-11-24"
	key := DayKey([]byte("secret"), day)
	fresh := func() []Numbered { return numbered(key, "a1", day, 37, 4, 10) }
	drawnAt := func(rows []Numbered, want bool) int {
		for i, r := range rows {
			if r.Daily == want {
				return i
			}
		}
		return -1
	}
	for name, c := range map[string]struct {
		change  func(rows []Numbered) []Numbered
		key     Published
		valid   []string
		missing int
		extra   int
		problem string
	}{
		"a draw is gone":    {change: func(r []Numbered) []Numbered { r[drawnAt(r, true)].Daily = false; return r }, missing: 1},
		"one more is drawn": {change: func(r []Numbered) []Numbered { r[drawnAt(r, false)].Daily = true; return r }, extra: 1},
		"an easier call": {change: func(r []Numbered) []Numbered {
			i, j := drawnAt(r, true), drawnAt(r, false)
			r[i].Daily, r[j].Daily = false, true
			return r
		}, missing: 1, extra: 1},
		"a row is gone":        {change: func(r []Numbered) []Numbered { return append(r[:5:5], r[6:]...) }, problem: "number 7 stands where 6"},
		"another key":          {key: Published{published(key).SHA256, hex.EncodeToString(DayKey([]byte("other"), day))}, problem: "not the one whose SHA-256"},
		"a call never counted": {valid: []string{"a1-3", "b9"}, problem: "call b9 has a valid recording"},
		"the close is moved":   {change: func(r []Numbered) []Numbered { r[36].Late = true; r[37].Late = false; return r }, problem: "not marked late"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := fresh()
			if c.change != nil {
				rows = c.change(rows)
			}
			if c.key.Key == "" {
				c.key = published(key)
			}
			r, err := Verify(day, c.key, 10, rows, c.valid)
			if err != nil || r.OK {
				t.Fatalf("%+v, %v", r, err)
			}
			if c.problem == "" && (len(r.Missing) != c.missing || len(r.Extra) != c.extra || len(r.Problems) > 0) {
				t.Errorf("%+v", r)
			}
			if c.problem != "" && !strings.Contains(strings.Join(r.Problems, "\n"), c.problem) {
				t.Errorf("%q does not say %q", r.Problems, c.problem)
			}
		})
	}
	if _, err := Verify(day, Published{SHA256: published(key).SHA256}, 10, fresh(), nil); !errors.Is(err, ErrOpen) {
		t.Errorf("an open day: %v", err)
	}
}
