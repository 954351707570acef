package complaint

import "math"

// PoissonTail is the probability of k or more when mean are expected.
func PoissonTail(k int64, mean float64) float64 {
	return NegativeBinomialTail(k, mean, math.Inf(1))
}

// NegativeBinomialTail is the probability of k or more when mean are expected and the mean itself is only known up to a
// gamma distribution of that shape: it allows for a baseline that was estimated and for rates that vary. An infinite
// shape is a mean known exactly, the Poisson distribution.
func NegativeBinomialTail(k int64, mean, shape float64) float64 {
	switch {
	case k <= 0:
		return 1
	case mean <= 0:
		return 0
	}
	if float64(k) <= mean { // the lower sum is the shorter one, and nothing small is lost in it
		sum := 0.0
		for i := k - 1; i >= 0; i-- {
			term := math.Exp(logNegativeBinomial(i, mean, shape))
			if sum += term; term < sum*1e-17 {
				break
			}
		}
		return math.Max(0, 1-sum)
	}
	sum, term := 0.0, math.Exp(logNegativeBinomial(k, mean, shape))
	for i := k; term > sum*1e-17; i++ {
		sum += term
		term *= step(i, mean, shape)
	}
	return math.Min(1, sum)
}

// NegativeBinomialLow is the probability of k or fewer.
func NegativeBinomialLow(k int64, mean, shape float64) float64 {
	if mean <= 0 {
		return 1
	}
	sum := 0.0
	for i := k; i >= 0; i-- {
		term := math.Exp(logNegativeBinomial(i, mean, shape))
		if sum += term; term < sum*1e-17 {
			break
		}
	}
	return math.Min(1, sum)
}

// step is P(i+1) / P(i).
func step(i int64, mean, shape float64) float64 {
	if math.IsInf(shape, 1) {
		return mean / float64(i+1)
	}
	return (float64(i) + shape) / float64(i+1) * mean / (mean + shape)
}

func logNegativeBinomial(k int64, mean, shape float64) float64 {
	x := float64(k)
	a, _ := math.Lgamma(x + 1)
	if math.IsInf(shape, 1) {
		return x*math.Log(mean) - mean - a
	}
	b, _ := math.Lgamma(x + shape)
	c, _ := math.Lgamma(shape)
	return b - c - a + shape*math.Log(shape/(mean+shape)) + x*math.Log(mean/(mean+shape))
}

// Crossings is how often, by chance alone, a window that slides over a stretch of its own length comes to hold k events.
// A window reaches k at an arrival that finds k-1 in it, so for arrivals at a rate r it is r times the probability of k-1;
// with mean = r times the window that is k times the probability of k, and averaging over the mean keeps that form. It is
// exact, however often one looks, which no probability of one look is.
func Crossings(k int64, mean, shape float64) float64 {
	if k <= 0 || mean <= 0 {
		return 0
	}
	return float64(k) * math.Exp(logNegativeBinomial(k, mean, shape))
}

// BetaBinomialLow is the probability of x or fewer of n, when each has the chance p and chances within one window are
// correlated by rho (0 = the binomial distribution).
func BetaBinomialLow(x, n int64, p, rho float64) float64 {
	switch {
	case x < 0:
		return 0
	case x >= n:
		return 1
	}
	if float64(x) > p*float64(n) { // the upper sum is the shorter one
		return math.Max(0, 1-BetaBinomialLow(n-x-1, n, 1-p, rho))
	}
	p = math.Min(1-1e-12, math.Max(1e-12, p))
	sum := 0.0
	for i := x; i >= 0; i-- {
		term := math.Exp(logBetaBinomial(i, n, p, rho))
		if sum += term; term < sum*1e-17 {
			break
		}
	}
	return math.Min(1, sum)
}

func logBetaBinomial(x, n int64, p, rho float64) float64 {
	lg := func(v float64) float64 { r, _ := math.Lgamma(v); return r }
	k, m := float64(x), float64(n)
	choose := lg(m+1) - lg(k+1) - lg(m-k+1)
	if rho < 1e-9 {
		return choose + k*math.Log(p) + (m-k)*math.Log1p(-p)
	}
	a, b := p*(1-rho)/rho, (1-p)*(1-rho)/rho
	return choose + lg(k+a) + lg(m-k+b) - lg(m+a+b) - lg(a) - lg(b) + lg(a+b)
}
