package sampling

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// 1 of 10 bad ones of 100 in a sample of 10: 1 - C(90,10)/C(100,10) = 0.6695. 0 failed of 10 of 100: up to 25 bad ones of 100
// leave a chance above 2.5 % to hear none (C(74,10)/C(100,10) is 0.041 at 26, 0.0249 at 30).
func TestPowerWorkedByHand(t *testing.T) {
	p := PowerOf(100, 10, 0.95, []int{0})
	if got := p.Chances[3]; got.Rate != 0.10 || math.Abs(got.Any-0.6695) > 5e-4 {
		t.Errorf("chance %+v", got)
	}
	none := func(bad int) float64 { // by multiplication, not by logarithms
		x := 1.0
		for i := range 10 {
			x *= float64(100-bad-i) / float64(100-i)
		}
		return x
	}
	want := 0
	for none(want+1) > 0.025 {
		want++
	}
	if got := p.Intervals[0]; got.Low != 0 || got.High != float64(want)/100 {
		t.Errorf("interval %+v, want up to %d %%", got, want)
	}
}

// The interval holds the true number with at least the chance it claims: counted over every possible sample.
func TestIntervalsCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "population")
		sample := rapid.IntRange(1, n).Draw(t, "sample")
		bad := rapid.IntRange(0, n).Draw(t, "bad")
		var all []int
		for x := 0; x <= sample; x++ {
			all = append(all, x)
		}
		covered := 0.0
		for _, i := range PowerOf(n, sample, 0.9, all).Intervals {
			if rate := float64(bad) / float64(n); i.Low <= rate && rate <= i.High {
				covered += hyper{n, sample}.probability(i.Failed, bad)
			}
		}
		if covered < 0.9-1e-9 {
			t.Fatalf("%d bad of %d, sample %d: covered with %v", bad, n, sample, covered)
		}
	})
}
