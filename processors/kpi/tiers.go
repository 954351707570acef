package kpi

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// made is a bucket of a roll-up as it was made last.
type made struct{ at, version uint64 }

// slotState is a slot that holds facts.
type slotState struct {
	slot    int64
	touched uint64
	minutes made // its roll-up by minute
}

// tiers say which moments of a range are read from where. It is the same choice that the statement of a panel makes for
// itself, made beforehand: what is empty is not asked for.
type tiers struct {
	calls map[string]callTier  // by table of the days
	daily map[string]dailyTier // by table
	first *firstTier           // nil where it does not answer
	stock stockTier
	// settled tells that no account of the days from accounts_1d has a lead that came after the day of a call, or never.
	settled bool
}

// callTier is which moments of a range are read from a roll-up of calls by whole days, and from where the others.
type callTier struct {
	days  []string // (date number, version)
	slots []string // (slot, version) of calls_1m, of days not in days
	// facts are the slots read from the facts where minutes may serve, bare where they may not.
	facts, bare []span
}

// dailyTier is which days of a roll-up by day serve a range, and what is read from the facts.
type dailyTier struct {
	days []string   // (day, version)
	bare []span     // slots that hold facts
	gaps [][2]int64 // moments in ms, the end not in it
}

// stockTier is the leads_stock that a range's lists are counted from.
type stockTier struct {
	key   string // its (day, version); "" = none holds
	day   int64  // as of whose first moment it is
	zone  *time.Location
	later bool // leads or calls came between it and the range's end
}

// firstTier is a range that accounts_since answers.
type firstTier struct {
	days []string
	from int64 // its first day
}

// span of slots, both ends in it.
type span struct{ from, to int64 }

const slotMS = 900_000

// choose works out where the calls of [from, to) are read: a day or a slot serves if it lies in the range whole and nothing
// was touched since it was made.
func choose(slots []slotState, days map[int64]made, from, to time.Time, zone *time.Location) callTier {
	date := func(t time.Time) int64 { return dateNumber(t, zone) }
	touched := map[int64]uint64{}
	for _, s := range slots {
		touched[date(time.UnixMilli(s.slot*slotMS))] += s.touched
	}
	before, after := date(from.Add(-time.Millisecond)), date(to)
	var t callTier
	whole := map[int64]bool{}
	for day, n := range touched {
		if m := days[day]; day > before && day < after && m.at == n && m.version > 0 {
			whole[day] = true
			t.days = append(t.days, keyOf(day, m))
		}
	}
	slices.Sort(t.days)
	for _, s := range slots {
		if whole[date(time.UnixMilli(s.slot*slotMS))] {
			continue
		}
		add(&t.bare, s.slot)
		if s.slot*slotMS >= from.UnixMilli() && (s.slot+1)*slotMS <= to.UnixMilli() && s.minutes.at == s.touched && s.minutes.version > 0 {
			t.slots = append(t.slots, fmt.Sprintf("(%d, %d)", s.slot, s.minutes.version))
		} else {
			add(&t.facts, s.slot)
		}
	}
	return t
}

// condition on slots.
func condition(spans []span) string {
	var out []string
	for _, x := range spans {
		out = append(out, fmt.Sprintf("slot BETWEEN %d AND %d", x.from, x.to))
	}
	return "(" + strings.Join(out, " OR ") + ")"
}
