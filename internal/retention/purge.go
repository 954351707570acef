package retention

import (
	"cmp"
	"slices"
	"time"
)

// Rules are how long recordings are kept.
type Rules struct {
	OnlineMonths int            // on line, from the call (RET-02: 3 to 6)
	Months       int            // altogether, from the call (RET-03: 12 at least); as long again after the end of use (RET-04: 12)
	Zone         *time.Location // in which a month is counted
}

// Kind of an event in the life of a product at a customer.
type Kind uint8

// At one instant a cancellation stands first, and a sale before the activation it brings.
const (
	Cancelled Kind = iota // or the customer left the network
	Sold
	Active
)

// Event in the life of a product.
type Event struct {
	At   time.Time
	Kind Kind
}

// Recording is what the decision needs to know of one.
type Recording struct {
	CallID    string
	StartedAt time.Time
	Sale      bool
	Sold      []string  // products; "" = not said which, then only leaving the network ends its use
	After     [][]Event // for each of them, what happened after the call, in any order
	Open      []string  // complaints of its customer that are open
}

// Decision about a recording.
type Decision struct {
	OnlineUntil time.Time
	InUse       []string  // products sold that are in use; while there are any there is no PurgeAfter
	PurgeAfter  time.Time // from then on it may be deleted unless it is held; zero = not yet known
	HeldBy      []string  // complaints
}

// Due tells whether the recording may be deleted.
func (d Decision) Due(now time.Time) bool {
	return len(d.HeldBy) == 0 && !d.PurgeAfter.IsZero() && !now.Before(d.PurgeAfter)
}

// Decide how long a recording is kept.
func (r Rules) Decide(x Recording) Decision {
	d := Decision{OnlineUntil: r.after(x.StartedAt, r.OnlineMonths), HeldBy: x.Open}
	purge := r.after(x.StartedAt, r.Months)
	if x.Sale {
		for i, p := range x.Sold {
			end, ended := UseEnds(x.After[i])
			if !ended {
				d.InUse = append(d.InUse, p)
				continue
			}
			if t := r.after(end, r.Months); t.After(purge) {
				purge = t
			}
		}
	}
	if len(d.InUse) == 0 {
		d.PurgeAfter = purge
	}
	return d
}

// UseEnds is when the use of a product that was sold ended: at its cancellation, unless it became active again. A new
// sale after that is another recording's business (RET-04: it creates a new hold).
func UseEnds(after []Event) (end time.Time, ended bool) {
	events := slices.Clone(after)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind)) })
	for _, e := range events {
		switch {
		case e.Kind == Cancelled && !ended:
			end, ended = e.At, true
		case e.Kind == Active:
			end, ended = time.Time{}, false
		case e.Kind == Sold && ended:
			return end, true
		}
	}
	return end, ended
}

// after is a moment some calendar months later by the zone's clock; the day is clamped to the month's last.
func (r Rules) after(t time.Time, months int) time.Time {
	l := t.In(r.Zone)
	y, m, d := l.Date()
	last := time.Date(y, m+time.Month(months)+1, 0, 0, 0, 0, 0, r.Zone).Day()
	return time.Date(y, m+time.Month(months), min(d, last), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), r.Zone)
}
