package contactcap

import (
	"sync/atomic"
	"time"
	"unsafe"

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

// stretch is a zone's offset and the instants between which it holds.
type stretch struct {
	loc                 *time.Location
	offset, from, until int64
}

// stretches are the last ones asked for: most requests of a centre are of a few zones and of one time.
var stretches [16]atomic.Pointer[stretch]

// offsetAt is the zone's offset at an instant and the instants between which it holds.
func offsetAt(ms int64, loc *time.Location) (offset, from, until int64) {
	last := &stretches[uintptr(unsafe.Pointer(loc))/64%uintptr(len(stretches))]
	if s := last.Load(); s != nil && s.loc == loc && s.from <= ms && ms < s.until {
		return s.offset, s.from, s.until
	}
	offset, from, until = findOffset(ms, loc)
	last.Store(&stretch{loc, offset, from, until})
	return offset, from, until
}

func findOffset(ms int64, loc *time.Location) (offset, from, until int64) {
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
	y, m, d := dateOf(day)
	months := int64(m) - 1 + int64(s.Months)
	y, m = y+floorDiv(months, 12), int(months-12*floorDiv(months, 12))+1
	at, _, _ := instantOf(dayOf(y, m, min(d, lastDay(y, m)))*dayMS+(local-day*dayMS), loc)
	return at
}

// longest is more than a span can last in any zone; shortest is less.
func longest(s policy.Span) int64 {
	return s.MS + int64(s.Months)*31*dayMS + min(int64(s.Months), 1)*2*dayMS
}

func shortest(s policy.Span) int64 {
	return s.MS + int64(s.Months)*28*dayMS - min(int64(s.Months), 1)*2*dayMS
}

// dateOf is the date of a day counted from 1970, by the proleptic Gregorian calendar: years run from March, so that the leap
// day comes last.
func dateOf(day int64) (y int64, m, d int) {
	day += 719_468 // 1 March 0000
	era := floorDiv(day, 146_097)
	doe := day - era*146_097
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	y, m, d = yoe+era*400, int(mp)+3, int(doy-(153*mp+2)/5)+1
	if m > 12 {
		y, m = y+1, m-12
	}
	return y, m, d
}

// dayOf is dateOf the other way round.
func dayOf(y int64, m, d int) int64 {
	mp := int64(m) - 3
	if mp < 0 {
		y, mp = y-1, mp+12
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	return era*146_097 + yoe*365 + yoe/4 - yoe/100 + (153*mp+2)/5 + int64(d) - 1 - 719_468
}

func lastDay(y int64, m int) int {
	if m == 2 {
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (m+m/8)%2
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
