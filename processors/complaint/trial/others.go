package trial

import (
	"math"
	"sort"
	"time"
)

// signal is a method's statistic over time: it raises an alarm where it is above a threshold.
type signal struct {
	at    []int64
	value []float64
}

// Method is one of those the product is compared with.
type Method struct {
	Name      string
	Threshold float64 // as the literature or common use has it
	run       func(*series) signal
}

// Methods are the others.
func Methods() []Method {
	return []Method{
		{"fixed threshold (complaints per 1,000 calls of 24 h)", 10, fixed},
		{"z-score (24 h against the 28 days before)", 3, zScore},
		{"EARS C2 (daily)", 3, earsDaily},
		{"EARS C2 (24 h, every hour)", 3, earsHourly},
		{"negative binomial CUSUM (daily)", 4, cusumDaily},
		{"negative binomial CUSUM (hourly)", 5, cusumHourly},
	}
}

// series are a campaign's counts by the hour.
type series struct {
	start      int64
	complaints []float64
	connected  []float64
	zone       *time.Location
}

func hourlySeries(c *Campaign, start time.Time, days int) *series {
	s := &series{start: start.UnixMilli(), complaints: make([]float64, days*24), connected: make([]float64, days*24), zone: start.Location()}
	for _, b := range c.Calls {
		s.connected[(b.At-s.start)/hourMS] += float64(b.Connected)
	}
	for _, x := range c.Complaints {
		if h := (x.At - s.start) / hourMS; h < int64(len(s.complaints)) {
			s.complaints[h]++
		}
	}
	return s
}

// window sums the n hours before h.
func window(x []float64, h, n int) float64 {
	sum := 0.0
	for i := max(0, h-n); i < h; i++ {
		sum += x[i]
	}
	return sum
}

const history = 29 * 24 // hours before any method may speak

// eachHour calls f with the end of every hour.
func (s *series) eachHour(step int, f func(h int) float64) signal {
	var out signal
	for h := history; h <= len(s.complaints); h += step {
		out.at = append(out.at, s.start+int64(h)*hourMS)
		out.value = append(out.value, f(h))
	}
	return out
}

func fixed(s *series) signal {
	return s.eachHour(1, func(h int) float64 {
		k := window(s.complaints, h, 24)
		if k < 4 {
			return 0
		}
		return 1000 * k / math.Max(1, window(s.connected, h, 24))
	})
}

func meanSD(xs []float64) (mean, sd float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		sd += (x - mean) * (x - mean) / float64(len(xs)-1)
	}
	return mean, math.Sqrt(sd)
}

func zScore(s *series) signal {
	return s.eachHour(1, func(h int) float64 {
		var past []float64
		for d := 1; d <= 28; d++ {
			past = append(past, window(s.complaints, h-24*d, 24))
		}
		mean, sd := meanSD(past)
		return (window(s.complaints, h, 24) - mean) / math.Max(sd, 0.5)
	})
}

// ears is C2: seven days of baseline, two days before the day in hand (Hutwagner et al. 2003).
func ears(step int) func(s *series) signal {
	return func(s *series) signal {
		return s.eachHour(step, func(h int) float64 {
			var past []float64
			for d := 3; d <= 9; d++ {
				past = append(past, window(s.complaints, h-24*d, 24))
			}
			mean, sd := meanSD(past)
			return (window(s.complaints, h, 24) - mean) / math.Max(sd, 0.5)
		})
	}
}

var earsDaily, earsHourly = ears(24), ears(1)

// cusum sums the log likelihood ratios of a doubled rate against the expected one, negative binomial as in Höhle & Paul
// 2008: the mean by calls and the rate of the 28 days before (a day left between), the dispersion by moments over them.
func cusum(hours int) func(s *series) signal {
	return func(s *series) signal {
		sum := 0.0
		return s.eachHour(hours, func(h int) float64 {
			end := h - 24
			base := window(s.complaints, end, 28*24) + 0.5
			calls := math.Max(1, window(s.connected, end, 28*24))
			rate := base / calls
			// Complaints follow the calls of the day: hours without calls have their share of the day's.
			mean := func(h int) float64 {
				return rate * (0.5*window(s.connected, h, hours) + 0.5*window(s.connected, h, 24)*float64(hours)/24)
			}
			var over, expect float64
			for d := 1; d <= 28; d++ {
				m := rate * window(s.connected, end-24*(d-1), 24)
				x := window(s.complaints, end-24*(d-1), 24)
				over += (x-m)*(x-m) - m
				expect += m * m
			}
			dispersion := math.Max(0.01, over/math.Max(1, expect)) // squared relative variation
			m := math.Max(mean(h), 0.05*float64(hours)/24)
			x := window(s.complaints, h, hours)
			const kappa = 2.0
			llr := x*math.Log(kappa) - (x+1/dispersion)*math.Log((1+dispersion*kappa*m)/(1+dispersion*m))
			sum = math.Max(0, sum+llr)
			return sum
		})
	}
}

var cusumDaily, cusumHourly = cusum(24), cusum(1)

// alarmsAbove: an alarm begins above the threshold and ends a day after the value last was.
func (s signal) alarmsAbove(threshold float64, who string) []Alarm {
	var out []Alarm
	last := int64(-1 << 60)
	for i, at := range s.at {
		if s.value[i] <= threshold {
			continue
		}
		if at-last > dayMS {
			out = append(out, Alarm{At: at, Who: who})
		}
		last = at
		out[len(out)-1].Until = at
	}
	return out
}

// at most so many alarms: the lowest threshold that holds to it over all series.
func calibrate(ss []signal, most int) float64 {
	var values []float64
	for _, s := range ss {
		values = append(values, s.value...)
	}
	sort.Float64s(values)
	i := sort.Search(len(values), func(i int) bool {
		n := 0
		for _, s := range ss {
			n += len(s.alarmsAbove(values[i], ""))
		}
		return n <= most
	})
	return values[min(i, len(values)-1)]
}
