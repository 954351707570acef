package sampling

import "math"

// Power is what a sample of an agent's recordings can tell, and what it can't.
type Power struct {
	Population int        `json:"population"` // valid recordings
	Sample     int        `json:"sample"`     // heard
	Confidence float64    `json:"confidence"`
	Intervals  []Interval `json:"intervals"`
	Chances    []Chance   `json:"chances"`
	// Detectable is the lowest rate of failing recordings of which at least one is heard with a chance of 80 %.
	Detectable float64 `json:"detectable"`
}

// Interval says between which rates the true one lies, with the confidence asked for, if so many of the sample failed.
type Interval struct {
	Failed int     `json:"failed"`
	Rate   float64 `json:"rate"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Chance is how likely it is that at least one of the failing recordings is heard.
type Chance struct {
	Rate float64 `json:"rate"`
	Any  float64 `json:"any"`
}

// PowerOf a sample drawn without replacement, exactly: by the hypergeometric distribution. failed lists the numbers of
// failed reviews to give intervals of; none = 0 to 5. 0 < sample <= population, 0 < confidence < 1.
func PowerOf(population, sample int, confidence float64, failed []int) *Power {
	p := &Power{Population: population, Sample: sample, Confidence: confidence, Intervals: []Interval{}, Chances: []Chance{}}
	if len(failed) == 0 {
		for x := 0; x <= min(5, sample); x++ {
			failed = append(failed, x)
		}
	}
	h := hyper{population, sample}
	tail := (1 - confidence) / 2
	for _, x := range failed {
		if x < 0 || x > sample {
			continue
		}
		low, high := x, population-(sample-x)
		for low < high && h.atLeast(x, low) <= tail { // so few in all, and so many heard: too unlikely
			low++
		}
		for high > low && h.atMost(x, high) <= tail {
			high--
		}
		p.Intervals = append(p.Intervals, Interval{x, float64(x) / float64(sample), float64(low) / float64(population), float64(high) / float64(population)})
	}
	for _, rate := range []float64{0.01, 0.02, 0.05, 0.10, 0.20, 0.30} {
		bad := int(math.Round(rate * float64(population)))
		p.Chances = append(p.Chances, Chance{rate, h.atLeast(1, bad)})
	}
	p.Detectable = 1
	for bad := 1; bad <= population; bad++ {
		if h.atLeast(1, bad) >= 0.8 {
			p.Detectable = float64(bad) / float64(population)
			break
		}
	}
	return p
}

// hyper is a sample without replacement.
type hyper struct{ population, sample int }

// probability that exactly x of bad ones are in the sample.
func (h hyper) probability(x, bad int) float64 {
	if x < 0 || x > bad || x > h.sample || h.sample-x > h.population-bad {
		return 0
	}
	return math.Exp(choose(bad, x) + choose(h.population-bad, h.sample-x) - choose(h.population, h.sample))
}

func (h hyper) atMost(x, bad int) float64 {
	sum := 0.0
	for i := 0; i <= x; i++ {
		sum += h.probability(i, bad)
	}
	return min(1, sum)
}

func (h hyper) atLeast(x, bad int) float64 {
	if x <= 0 {
		return 1
	}
	return max(0, 1-h.atMost(x-1, bad))
}

// choose is the logarithm of n over k.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
