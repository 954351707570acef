package complaint

import "math"

// Kinds of what is watched beside complaints (THR-04, RET-01).
const (
	KindSpike     = "complaint_spike"
	KindConnect   = "connect_rate"
	KindSuccess   = "success_rate"
	KindAbandoned = "abandonment"
	KindRecording = "recording_coverage"
	KindVolume    = "dial_volume"
	KindSilent    = "silent_source"
	KindStuck     = "stuck_agent"
	KindOverdue   = "complaint_overdue"
	KindSerious   = "complaint_serious"
	KindInbound   = "inbound_peak"
)

// Kinds lists them all.
func Kinds() []string {
	return []string{KindSpike, KindConnect, KindSuccess, KindAbandoned, KindRecording, KindVolume, KindSilent, KindStuck, KindOverdue, KindSerious, KindInbound}
}

// RateTest are the settings of the decision on a rate or a volume.
type RateTest struct {
	FalsePerYear float64 // of each kind, over all subjects
	Least        int64   // never fires on fewer in the window
	Change       float64 // never fires on a smaller relative change
	Calm         float64 // ends when it would be more likely than this
}

// DefaultRateTest looks at an hour every ten minutes.
func DefaultRateTest() RateTest {
	return RateTest{FalsePerYear: 1, Least: 200, Change: 0.2, Calm: 0.02}
}

// looksPerYear: a window is judged every ten minutes.
const looksPerYear = yearMS / recentMS

// Cell is one hour of the baseline.
type Cell struct{ X, N int64 }

// RateLook is a window of a rate, or of a volume (N is not used then).
type RateLook struct {
	X, N   int64
	Cells  []Cell
	High   bool // a high one is the bad one
	Low    bool // a low one is
	Keys   int64
	Firing bool
}

// RateEvidence is what a decision on a rate rests on.
type RateEvidence struct {
	RateLook
	Rate, Before float64 // now, and in the baseline
	P            float64 // of so far off, or farther
	FalsePerYear float64
	Off          bool
	Judged       bool // there was enough to judge on
}

// leastCells is how many hours a baseline needs.
const leastCells = 5

// DecideRate says whether a rate is off its baseline. Hours differ by more than chance, so how much they did in the
// baseline is put into a beta-binomial distribution; every look counts against the false alarms.
func (t RateTest) DecideRate(l RateLook) RateEvidence {
	e := RateEvidence{RateLook: l}
	var x, n int64
	cells := 0
	for _, c := range l.Cells {
		if 4*c.N >= t.Least {
			x, n, cells = x+c.X, n+c.N, cells+1
		}
	}
	if l.N < t.Least || cells < leastCells {
		return e
	}
	e.Judged = true
	e.Rate, e.Before = float64(l.X)/float64(l.N), float64(x)/float64(n)
	p := (float64(x) + 0.5) / (float64(n) + 1)
	var chi float64
	for _, c := range l.Cells {
		if 4*c.N >= t.Least {
			d := float64(c.X) - p*float64(c.N)
			chi += d * d / (float64(c.N) * p * (1 - p))
		}
	}
	mean := float64(n) / float64(cells)
	rho := math.Max(0.002, (chi/float64(cells-1)-1)/(mean-1)*(1+2/math.Sqrt(float64(cells)))) // a variance known from few hours may be larger
	rho = math.Min(rho+1/(float64(n)+1), 0.5)
	low, high := BetaBinomialLow(l.X, l.N, p, rho), BetaBinomialLow(l.N-l.X, l.N, 1-p, rho)
	e.decide(t, low, high)
	return e
}

// DecideVolume says whether a count is off what the same hour of the week usually has. Cells are those hours; pooled is
// the squared relative variation of all hours of the profile around theirs.
func (t RateTest) DecideVolume(l RateLook, pooled float64) RateEvidence {
	e := RateEvidence{RateLook: l}
	var sum int64
	for _, c := range l.Cells {
		sum += c.X
	}
	if len(l.Cells) < 2 || sum < t.Least*int64(len(l.Cells)) && l.X < t.Least {
		return e
	}
	e.Judged = true
	mean := float64(sum) / float64(len(l.Cells))
	e.Rate, e.Before = float64(l.X), mean
	if mean == 0 {
		mean = 0.5
	}
	shape := 1 / (math.Max(pooled, 0.0225) * (1 + 1/float64(len(l.Cells))))
	e.decide(t, NegativeBinomialLow(l.X, mean, shape), NegativeBinomialTail(l.X, mean, shape))
	return e
}

func (e *RateEvidence) decide(t RateTest, low, high float64) {
	e.P = 1
	down, up := e.Rate < e.Before, e.Rate > e.Before
	far := math.Abs(e.Rate-e.Before) >= t.Change*e.Before
	switch {
	case e.Low && e.High:
		e.P = math.Min(1, 2*math.Min(low, high))
	case e.Low && down:
		e.P = low
	case e.High && up:
		e.P = high
	}
	e.FalsePerYear = e.P * float64(looksPerYear) * float64(max(1, e.Keys))
	if e.Firing {
		e.Off = e.P <= t.Calm
	} else {
		e.Off = far && e.FalsePerYear <= t.FalsePerYear
	}
}
