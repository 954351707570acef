package trial

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/ringfence/ringfence/event"
)

// Centre is what is simulated.
type Centre struct {
	Seed      uint64
	Campaigns int
	Agents    int // of each campaign; ten are a team
	Days      int
	Start     time.Time // midnight
	Spikes    bool      // some days go wrong
}

// Spike is one time when a campaign's complaints were many times the usual.
type Spike struct {
	From, To int64
	Factor   float64
}

// Campaign is one campaign's year.
type Campaign struct {
	Name       string
	Calls      []*event.WatchBucket // of ten minutes, ascending
	Complaints []Complaint          // ascending
	Spikes     []Spike
}

// Complaint of a campaign, about one of its agents.
type Complaint struct {
	ID    uint64
	At    int64
	Agent int
}

const (
	stepMS  = 600_000
	hourMS  = 3600_000
	dayMS   = 24 * hourMS
	varies  = 0.2  // of rates and volumes, day by day
	hourly  = 0.06 // of connect rates, hour by hour
	onesDay = 66   // steps of ten minutes from nine to eight
)

// hours of a day: the morning and the early evening are the best.
var hours = []float64{1.1, 1.3, 1.2, 0.6, 0.9, 1.1, 1.1, 1.0, 1.0, 0.9, 0.8}

func (c Centre) rng(part uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, part)) }

// Make simulates every campaign.
func (c Centre) Make() []*Campaign {
	out := make([]*Campaign, c.Campaigns)
	for i := range out {
		out[i] = c.campaign(i)
	}
	return out
}

func (c Centre) campaign(n int) *Campaign {
	r := c.rng(uint64(n) + 1)
	out := &Campaign{Name: fmt.Sprintf("campaign-%d", n+1)}
	size := 60 * math.Pow(1.6, float64(n%5)) // connected calls of a good hour
	rate := 0.002 * math.Pow(1.5, float64(n%4))
	if c.Spikes {
		out.Spikes = c.spikes(r)
	}
	agents := float64(c.Agents)
	around1 := func(cv float64) float64 {
		return distuv.Gamma{Alpha: 1 / (cv * cv), Beta: 1 / (cv * cv), Src: r}.Rand()
	}
	for d := range c.Days {
		day := c.Start.AddDate(0, 0, d)
		volume, bad, connect := around1(varies), around1(varies), 0.35*around1(0.05)
		if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
			volume *= 0.4
		}
		inHour := 1.0
		for s := range onesDay {
			if s%6 == 0 {
				inHour = around1(hourly)
			}
			at := day.UnixMilli() + 9*hourMS + int64(s)*stepMS
			b := &event.WatchBucket{At: at}
			p := math.Min(0.9, connect*inHour)
			b.Dials = int64(distuv.Poisson{Lambda: size * volume * hours[s/6] / 6 / 0.35, Src: r}.Rand())
			b.Connected = binomial(r, b.Dials, p)
			b.Live = b.Connected
			b.Recorded = binomial(r, b.Connected, 0.998)
			b.Abandoned = binomial(r, b.Live, 0.012*inHour)
			b.Completed = binomial(r, b.Connected, 0.6)
			b.Won = binomial(r, b.Completed, math.Min(0.9, 0.15*inHour*inHour))
			out.Calls = append(out.Calls, b)
			factor := 1.0
			for _, x := range out.Spikes {
				if at >= x.From && at < x.To {
					factor = x.Factor
				}
			}
			for range int(distuv.Poisson{Lambda: float64(b.Connected) * rate * bad * factor, Src: r}.Rand()) {
				delay := r.ExpFloat64() * 2 * hourMS
				if r.Float64() < 0.15 {
					delay = r.ExpFloat64() * 2 * dayMS
				}
				when := at + r.Int64N(stepMS) + int64(delay)
				out.Complaints = append(out.Complaints, Complaint{ID: uint64(n)<<32 + uint64(len(out.Complaints)), At: waking(when, c.Start), Agent: int(r.Float64() * agents)})
			}
		}
	}
	slices.SortFunc(out.Complaints, func(a, b Complaint) int { return int(min(1, max(-1, a.At-b.At))) })
	return out
}

// waking puts what would come at night into the next morning: people sleep.
func waking(at int64, start time.Time) int64 {
	t := time.UnixMilli(at).In(start.Location())
	if h := t.Hour(); h < 8 {
		return at + int64(8-h)*hourMS
	} else if h >= 22 {
		return at + int64(32-h)*hourMS
	}
	return at
}

func binomial(r *rand.Rand, n int64, p float64) int64 {
	if n == 0 || p <= 0 {
		return 0
	}
	return int64(distuv.Binomial{N: float64(n), P: p, Src: r}.Rand())
}

// spikes: about one in six weeks, of 2 to 8 times the usual rate, beginning at an hour of work, for half a day to three.
func (c Centre) spikes(r *rand.Rand) []Spike {
	var out []Spike
	for d := 42 + r.IntN(14); d < c.Days-8; d += 35 + r.IntN(21) {
		from := c.Start.AddDate(0, 0, d).UnixMilli() + 9*hourMS + int64(r.IntN(8))*hourMS
		out = append(out, Spike{From: from, To: from + int64(12+r.IntN(60))*hourMS, Factor: 2 * math.Pow(4, r.Float64())})
	}
	return out
}
