package complaint

import "math"

// Test are the settings of the decision.
type Test struct {
	Alpha       float64 // fires when so many would be less likely than this
	Calm        float64 // ends when they would be more likely than this
	Least       int64   // never fires below this many complaints
	DefaultRate float64 // complaints per connected call, assumed while there is no history
	Weight      float64 // connected calls of history the default counts for
}

// DefaultTest fires, without a change in the complaint rate, at most about once in ten thousand looks at a campaign.
func DefaultTest() Test {
	return Test{Alpha: 1e-4, Calm: 1e-2, Least: 4, DefaultRate: 0.004, Weight: 1000}
}

// Evidence is what a decision rests on.
type Evidence struct {
	Count     int64   // complaints in the window
	Connected int64   // connected calls in the window
	Rate      float64 // expected per connected call
	Expected  float64
	P         float64 // probability of Count or more
	Firing    bool
}

// Decide says whether the complaints of a window are a spike. before* are of the baseline's time.
func (t Test) Decide(count, connected, beforeCount, beforeConnected int64, wasFiring bool) Evidence {
	rate := (float64(beforeCount) + t.DefaultRate*t.Weight) / (float64(beforeConnected) + t.Weight)
	e := Evidence{Count: count, Connected: connected, Rate: rate, Expected: rate * float64(connected)}
	e.P = PoissonTail(count, e.Expected)
	if wasFiring {
		e.Firing = e.P <= t.Calm && count >= t.Least
	} else {
		e.Firing = e.P < t.Alpha && count >= t.Least
	}
	return e
}

// PoissonTail is the probability of k or more when mean are expected.
func PoissonTail(k int64, mean float64) float64 {
	if k <= 0 {
		return 1
	}
	if mean <= 0 {
		return 0
	}
	lg, _ := math.Lgamma(float64(k) + 1)
	term := math.Exp(float64(k)*math.Log(mean) - mean - lg)
	if float64(k) < mean { // the lower sum is the shorter one
		sum := 0.0
		for i := k - 1; i >= 0; i-- {
			if i == k-1 {
				term *= float64(k) / mean
			} else {
				term *= float64(i+1) / mean
			}
			sum += term
		}
		return math.Max(0, 1-sum)
	}
	sum := 0.0
	for i := k; term > sum*1e-16; i++ {
		sum += term
		term *= mean / float64(i+1)
	}
	return math.Min(1, sum)
}
