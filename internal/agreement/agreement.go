// Package agreement measures how far raters of the same recordings agree beyond chance: Cohen's kappa for two raters,
// Krippendorff's alpha for any number and with gaps, and how far one rater's scores lie from the others' (drift).
package agreement

import (
	"math"
	"slices"
)

// Kappa is Cohen's kappa of two raters' answers to the same questions, in -1..1; ok is false where chance alone would
// make them agree always, or there is nothing: then it says nothing. The lists are of equal length.
func Kappa(a, b []string) (kappa float64, ok bool) {
	n := float64(len(a))
	if len(a) == 0 || len(a) != len(b) {
		return 0, false
	}
	same := 0.0
	ca, cb := map[string]float64{}, map[string]float64{}
	for i := range a {
		if a[i] == b[i] {
			same++
		}
		ca[a[i]]++
		cb[b[i]]++
	}
	chance := 0.0
	for k, x := range ca {
		chance += x / n * cb[k] / n
	}
	if chance >= 1 {
		return 0, false
	}
	return (same/n - chance) / (1 - chance), true
}

// Nominal is the difference of answers that are the same or not.
func Nominal(a, b float64) float64 {
	if a == b {
		return 0
	}
	return 1
}

// Interval is the difference of scores: its square.
func Interval(a, b float64) float64 { return (a - b) * (a - b) }

// Alpha is Krippendorff's alpha of units, each with the values that raters gave it (those who gave none are left out);
// units with fewer than two values don't count. 1 = they agree, 0 = as chance would, below = worse. ok is false where
// nothing can be said: no unit with two values, or all values the same.
func Alpha(units [][]float64, difference func(a, b float64) float64) (alpha float64, ok bool) {
	var all []float64
	observed := 0.0
	for _, u := range units {
		m := len(u)
		if m < 2 {
			continue
		}
		all = append(all, u...)
		sum := 0.0
		for i := range u {
			for j := range u {
				if i != j {
					sum += difference(u[i], u[j])
				}
			}
		}
		observed += sum / float64(m-1)
	}
	n := float64(len(all))
	if n < 2 {
		return 0, false
	}
	count := map[float64]float64{}
	for _, v := range all {
		count[v]++
	}
	var values []float64
	for v := range count {
		values = append(values, v)
	}
	slices.Sort(values) // so that the sum is the same each time
	expected := 0.0
	for _, a := range values {
		for _, b := range values {
			expected += count[a] * count[b] * difference(a, b)
		}
	}
	expected /= n - 1
	if expected == 0 {
		return 0, false
	}
	return 1 - observed/expected, true
}

// Drift of a rater: how far his scores lie from the mean of the others' on the same recordings, in points (positive: he is
// milder), over how many, and the standard error of that (NaN for fewer than two).
type Drift struct {
	Rater  string
	Points float64
	Error  float64
	Units  int
}

// Drifts of all raters, by name. A unit holds the scores by rater; those with fewer than two don't count.
func Drifts(units []map[string]float64) []Drift {
	diffs := map[string][]float64{}
	for _, u := range units {
		if len(u) < 2 {
			continue
		}
		raters := make([]string, 0, len(u))
		sum := 0.0
		for r := range u {
			raters = append(raters, r)
		}
		slices.Sort(raters)
		for _, r := range raters {
			sum += u[r]
		}
		for _, r := range raters {
			diffs[r] = append(diffs[r], u[r]-(sum-u[r])/float64(len(u)-1))
		}
	}
	var out []Drift
	for r, d := range diffs {
		mean := 0.0
		for _, x := range d {
			mean += x / float64(len(d))
		}
		square := 0.0
		for _, x := range d {
			square += (x - mean) * (x - mean)
		}
		se := math.NaN()
		if len(d) > 1 {
			se = math.Sqrt(square / float64(len(d)-1) / float64(len(d)))
		}
		out = append(out, Drift{r, mean, se, len(d)})
	}
	slices.SortFunc(out, func(a, b Drift) int {
		if a.Rater < b.Rater {
			return -1
		}
		return 1
	})
	return out
}
