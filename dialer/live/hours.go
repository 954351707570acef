package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// open is one span of a campaign's hours, half-open, in minutes of the local day; hours are written as in a policy:
// [{"days": ["mon", "tue"], "from": "09:00", "to": "18:00"}].
type open struct {
	days     [7]bool // Sunday first
	from, to int
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func readHours(b []byte) ([]open, error) {
	var spans []struct {
		Days     []string `json:"days"`
		From, To string
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&spans); err != nil {
		return nil, fmt.Errorf("expected [{\"days\":[\"mon\"],\"from\":\"09:00\",\"to\":\"18:00\"}]: %w", err)
	}
	out := []open{}
	for _, s := range spans {
		var o open
		for _, d := range s.Days {
			i := slices.Index(dayNames, strings.ToLower(d))
			if i < 0 {
				return nil, fmt.Errorf("%q is no day, expected one of %s", d, strings.Join(dayNames, " "))
			}
			o.days[i] = true
		}
		if len(s.Days) == 0 {
			o.days = [7]bool{true, true, true, true, true, true, true}
		}
		var err error
		if o.from, err = minute(s.From); err == nil {
			o.to, err = minute(s.To)
		}
		if err != nil {
			return nil, err
		}
		if o.from >= o.to {
			return nil, fmt.Errorf("from %s to %s: a span may not be empty or cross midnight", s.From, s.To)
		}
		out = append(out, o)
	}
	return out, nil
}

func minute(s string) (int, error) {
	if s == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of day, expected one such as 09:00", s)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// isOpen tells whether the clock of now's zone stands inside a span; a campaign without hours is always open.
func isOpen(hours []open, now time.Time) bool {
	if hours == nil {
		return true
	}
	m := now.Hour()*60 + now.Minute()
	return slices.ContainsFunc(hours, func(o open) bool { return o.days[now.Weekday()] && o.from <= m && m < o.to })
}
