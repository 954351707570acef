package complaint

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Known values: P(X>=1|1) = 1-1/e; P(X>=10|3) = 0.0011024881 (tables).
func TestPoissonTail(t *testing.T) {
	for _, c := range []struct {
		k    int64
		mean float64
		want float64
	}{{0, 3, 1}, {1, 1, 1 - 1/math.E}, {10, 3, 0.0011024881301847}, {2, 5, 0.95957231800548726}, {5, 0, 0}} {
		if got := PoissonTail(c.k, c.mean); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("P(X>=%d | %g) = %.16f, want %.16f", c.k, c.mean, got, c.want)
		}
	}
}

// A negative binomial with shape 1 is geometric: P(X>=k) = q^k with q = mean/(mean+1).
func TestTailsAgainstClosedForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, mean := rapid.Int64Range(0, 200).Draw(t, "k"), rapid.Float64Range(0.01, 150).Draw(t, "mean")
		if got, want := NegativeBinomialTail(k, mean, 1), math.Pow(mean/(mean+1), float64(k)); math.Abs(got-want) > 1e-9 {
			t.Fatalf("geometric tail %g, want %g", got, want)
		}
		shape := rapid.Float64Range(0.1, 1000).Draw(t, "shape")
		if a, b := NegativeBinomialTail(k, mean, shape), NegativeBinomialTail(k+1, mean, shape); a < 0 || a > 1 || b > a+1e-9 {
			t.Fatalf("P(>=%d)=%g P(>=%d)=%g", k, a, k+1, b)
		}
		if s := NegativeBinomialLow(k, mean, shape) + NegativeBinomialTail(k+1, mean, shape); math.Abs(s-1) > 1e-8 {
			t.Fatalf("the two tails sum up to %g", s)
		}
		n := rapid.Int64Range(1, 300).Draw(t, "n")
		x := rapid.Int64Range(0, n-1).Draw(t, "x")
		p := rapid.Float64Range(0.001, 0.999).Draw(t, "p")
		if s := BetaBinomialLow(x, n, p, 0.01) + BetaBinomialLow(n-x-1, n, 1-p, 0.01); math.Abs(s-1) > 1e-7 {
			t.Fatalf("beta-binomial tails sum up to %g", s)
		}
		// With chances of 1/2 that are uniform (a = b = 1, rho = 1/3) every count is as likely.
		if got, want := BetaBinomialLow(x, n, 0.5, 1.0/3), float64(x+1)/float64(n+1); math.Abs(got-want) > 1e-7 {
			t.Fatalf("uniform beta-binomial %g, want %g", got, want)
		}
	})
	if got := BetaBinomialLow(2, 5, 0.3, 0); math.Abs(got-0.83692) > 1e-9 {
		t.Errorf("binomial(5, 0.3) <= 2: %g", got)
	}
}

// Crossings is what a simulation of a sliding window counts, with the rate known and with a rate that varies.
func TestCrossings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		mean, shape float64
		k           int64
	}{{2, math.Inf(1), 5}, {0.5, math.Inf(1), 3}, {6, math.Inf(1), 12}, {3, 4, 8}} {
		const runs, length = 4000, 20.0
		crossed := 0
		for range runs {
			rate := c.mean
			if !math.IsInf(c.shape, 1) {
				sum := 0.0
				for range int(c.shape) { // a gamma of whole shape is a sum of exponentials
					sum += r.ExpFloat64()
				}
				rate *= sum / c.shape
			}
			var window []float64
			for at := -1.0; ; {
				at += r.ExpFloat64() / rate
				if at >= length {
					break
				}
				for len(window) > 0 && window[0] <= at-1 {
					window = window[1:]
				}
				window = append(window, at)
				if at >= 0 && int64(len(window)) == c.k {
					crossed++
				}
			}
		}
		got, want := float64(crossed)/(runs*length), Crossings(c.k, c.mean, c.shape)
		if math.Abs(got-want) > 0.06*want+3*math.Sqrt(want/(runs*length)) {
			t.Errorf("mean %g shape %g k %d: %g crossings a window, computed %g", c.mean, c.shape, c.k, got, want)
		}
	}
}
