package complaint

import "math"

// Test are the settings of the decision on complaints.
type Test struct {
	FalsePerYear float64 // false alarms a year to be expected over everything that is watched, when nothing happens
	Windows      []int64 // milliseconds, ascending; each has its share of FalsePerYear
	BaselineMS   int64   // how far before the window the baseline reaches
	Least        int64   // never fires below this many complaints in a window
	Factor       float64 // never fires below this many times the expected
	Calm         float64 // a spike ends when so many would be more likely than this
	Variation    float64 // how much a rate varies from day to day without cause: standard deviation / mean
	DefaultRate  float64 // complaints per connected call, assumed while there is no history
	Weight       float64 // connected calls of history the default counts for
}

const (
	minuteMS = 60_000
	hourMS   = 60 * minuteMS
	dayMS    = 24 * hourMS
	yearMS   = 365 * dayMS
)

// DefaultTest expects one false alarm a year over all campaigns, agents, teams, partners and products together.
func DefaultTest() Test {
	return Test{FalsePerYear: 1, Windows: []int64{4 * hourMS, dayMS, 7 * dayMS}, BaselineMS: 28 * dayMS, Least: 4, Factor: 1.5, Calm: 0.02, Variation: 0.2,
		DefaultRate: 0.004, Weight: 1000}
}

// Look is what one window holds.
type Look struct {
	WindowMS   int64
	Count      int64   // complaints in the window
	Exposure   float64 // connected calls in the window, weighted by the profile
	Before     int64   // complaints of the baseline
	BeforeBase float64 // connected calls of the baseline, weighted likewise
	Keys       int64   // subjects of this dimension that are watched
	Firing     bool    // it fires already
}

// Evidence is what a decision rests on.
type Evidence struct {
	Look
	Rate         float64 // expected per connected call
	Expected     float64
	P            float64 // probability of Count or more
	FalsePerYear float64 // how often a year chance alone would have it, somewhere, at this count
	Spike        bool
}

// dimensions share the false alarms alike.
const dimensions = 5

// Decide says whether the complaints of a window are a spike. The rate of the baseline is known up to a gamma distribution
// (its own counts, and Variation), so the count is compared with a negative binomial distribution. Firing begins when so
// many would be reached by chance less often than the share of FalsePerYear that this window of this subject has; it ends
// when so many would be nothing special. What keys there are, windows and dimensions share the false alarms (Bonferroni).
func (t Test) Decide(l Look) Evidence {
	e := Evidence{Look: l}
	seen := float64(l.Before) + t.DefaultRate*t.Weight
	e.Rate = seen / (l.BeforeBase + t.Weight)
	e.Expected = e.Rate * l.Exposure
	days := math.Max(1, float64(l.WindowMS)/dayMS) // over several days what varies from day to day evens out
	shape := 1 / (1/(seen+0.5) + t.Variation*t.Variation/days)
	e.P = NegativeBinomialTail(l.Count, e.Expected, shape)
	shares := float64(max(1, l.Keys)) * dimensions * float64(len(t.Windows))
	e.FalsePerYear = Crossings(l.Count, e.Expected, shape) * float64(yearMS) / float64(l.WindowMS) * shares
	switch {
	case float64(l.Count) <= e.Expected:
		e.FalsePerYear = math.Inf(1)
	case l.Count < t.Least:
	case l.Firing:
		e.Spike = e.P <= t.Calm
	default:
		e.Spike = e.FalsePerYear <= t.FalsePerYear && float64(l.Count) >= t.Factor*e.Expected
	}
	return e
}
