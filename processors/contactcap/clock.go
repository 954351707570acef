package contactcap

import (
	"time"

	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// Local time as the contract counts it (section 3, "Time"): a local time that is skipped is taken with the offset
// before the change, of one that is repeated the first; a day begins with the first moment of its date.

const dayMS = 86_400_000

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// offsetAt is the zone's offset at an instant and the instants between which it holds.
func offsetAt(ms int64, loc *time.Location) (offset, from, until int64) {
	t := time.UnixMilli(ms).In(loc)
	_, sec := t.Zone()
	a, b := t.ZoneBounds()
	from, until = minTime, maxTime
	if !a.IsZero() {
		from = a.UnixMilli()
	}
	if !b.IsZero() {
		until = b.UnixMilli()
	}
	return int64(sec) * 1000, from, until
}

const (
	minTime = -1 << 61
	maxTime = 1 << 61
)

// instantOf is the instant at which the clock of loc shows local (milliseconds since 1970 of a clock without zones).
// skipped tells that it never does, and where the clock jumped over it.
func instantOf(local int64, loc *time.Location) (at int64, skipped bool, jump int64) {
	off, from, until := offsetAt(local-36*3600_000, loc)
	for {
		at := local - off
		if at < until {
			if at < from { // jumped over at the beginning of this stretch
				return local - prevOffset(from, loc), true, from
			}
			return at, false, 0
		}
		off, from, until = offsetAt(until, loc)
	}
}

func prevOffset(from int64, loc *time.Location) int64 {
	off, _, _ := offsetAt(from-1, loc)
	return off
}

// localOf is what the clock of loc shows at an instant.
func localOf(ms int64, loc *time.Location) int64 {
	off, _, _ := offsetAt(ms, loc)
	return ms + off
}

// dayStart is the first moment of a date, given as days since 1970.
func dayStart(day int64, loc *time.Location) int64 {
	at, skipped, jump := instantOf(day*dayMS, loc)
	if skipped {
		return jump
	}
	return at
}

// add gives the instant a span after another: months by the calendar of loc, clamped to the month's last day.
func add(ms int64, s policy.Span, loc *time.Location) int64 {
	if s.Months == 0 {
		return ms + s.MS
	}
	local := localOf(ms, loc)
	day := floorDiv(local, dayMS)
	t := time.Unix(day*86400, 0).UTC()
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(s.Months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	target := first.AddDate(0, 0, min(d, last)-1).Unix() / 86400
	at, _, _ := instantOf(target*dayMS+(local-day*dayMS), loc)
	return at
}

// period is the calendar period that holds an instant: its first moment and that of the next one.
func period(ms int64, kind string, loc *time.Location) (start, end int64) {
	day := floorDiv(localOf(ms, loc), dayMS)
	t := time.Unix(day*86400, 0).UTC()
	var a, b time.Time
	switch kind {
	case "day":
		a, b = t, t.AddDate(0, 0, 1)
	case "week":
		a = t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
		b = a.AddDate(0, 0, 7)
	case "month":
		a = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		b = a.AddDate(0, 1, 0)
	default:
		a = time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		b = a.AddDate(1, 0, 0)
	}
	return dayStart(floorDiv(a.Unix(), 86400), loc), dayStart(floorDiv(b.Unix(), 86400), loc)
}

// opens says whether the hours are open at an instant.
func opens(r *policy.Rule, ms int64, loc *time.Location) bool {
	local := localOf(ms, loc)
	day := floorDiv(local, dayMS)
	if r.Holidays[day] {
		return false
	}
	tod, wd := local-day*dayMS, weekday(day)
	for _, o := range r.Hours {
		if o.Days[wd] && o.From <= tod && tod < o.To {
			return true
		}
	}
	return false
}

func weekday(day int64) int { return int(((day+4)%7 + 7) % 7) } // 1 January 1970 was a Thursday

// nextOpening is the first instant from ms on at which the hours are open. The week repeats, so if nothing opens in
// more weeks than holidays and clock changes could close, nothing ever does.
func nextOpening(r *policy.Rule, ms int64, loc *time.Location) (int64, bool) {
	days := int64(7 * (len(r.Holidays) + 60))
	first := floorDiv(localOf(ms, loc), dayMS)
	off, from, until := offsetAt(ms, loc)
	for {
		best := int64(maxTime)
		lo, hi := max(from, ms), until
		// Holidays may lie beyond the days counted from ms: they are finite, and so is the search.
		for day := floorDiv(lo+off, dayMS); day <= first+days; day++ {
			if day*dayMS-off >= hi {
				break
			}
			if r.Holidays[day] {
				continue
			}
			for _, o := range r.Hours {
				if !o.Days[weekday(day)] {
					continue
				}
				a, b := max(day*dayMS+o.From-off, lo), min(day*dayMS+o.To-off, hi)
				if a < b {
					best = min(best, a)
				}
			}
			if best < maxTime {
				return best, true
			}
		}
		if hi >= maxTime || floorDiv(hi+off, dayMS) > first+days {
			return 0, false
		}
		off, from, until = offsetAt(hi, loc)
	}
}
