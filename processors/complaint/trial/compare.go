package trial

import (
	"math"
	"slices"

	"github.com/ringfence/ringfence/processors/complaint"
)

// Row is what one method did.
type Row struct {
	Method       string  `json:"method"`
	Setting      string  `json:"setting"`        // as published, or one false alarm a year
	FalsePerYear float64 `json:"false_per_year"` // in quiet years, over all campaigns
	Spikes       int     `json:"spikes"`
	Seen         int     `json:"seen"`
	Median       float64 `json:"median_delay_hours"` // from the spike's beginning, of those seen
	Slowest      float64 `json:"p90_delay_hours"`
	Early        int     `json:"seen_within_12_hours"`
	Others       int     `json:"false_in_the_year_of_spikes"`
}

// Report is the whole comparison.
type Report struct {
	Campaigns int   `json:"campaigns"`
	Quiet     int   `json:"quiet_years"`
	Rows      []Row `json:"rows"`
}

// Compare runs all methods on the same simulated centres: quiet years for the false alarms, and a year with spikes. Those
// others are run at their published setting, and at the threshold that gave one false alarm a year in quiet years of
// their own; ours is run as it is by default, its share of campaigns being one false alarm a year.
func Compare(o complaint.Options, c Centre, quietYears int) *Report {
	const year = 365 + history/24
	c.Days = year
	quiet := func(seed uint64) [][]*Campaign {
		var out [][]*Campaign
		for i := range quietYears {
			q := c
			q.Spikes, q.Seed = false, seed+uint64(i)
			out = append(out, q.Make())
		}
		return out
	}
	spiky := c
	spiky.Spikes, spiky.Seed = true, c.Seed+5000
	test, judge, train := spiky.Make(), quiet(c.Seed+1000), quiet(c.Seed+2000)
	rep := &Report{Campaigns: c.Campaigns, Quiet: quietYears}
	from := c.Start.AddDate(0, 0, history/24).UnixMilli()

	o.Rates.FalsePerYear = 0
	o.Test.FalsePerYear = 5 // over five dimensions, so one a year over campaigns
	row := Row{Method: "ringfence", Setting: "one false alarm a year stated"}
	n := 0
	for _, cs := range judge {
		n += len(onlySpikes(Ours(o, cs, from)))
	}
	row.FalsePerYear = float64(n) / float64(quietYears)
	row.score(test, onlySpikes(Ours(o, test, from)), from)
	rep.Rows = append(rep.Rows, row)

	for _, m := range Methods() {
		signals := func(years [][]*Campaign) (out []signal) {
			for _, cs := range years {
				for _, x := range cs {
					out = append(out, m.run(hourlySeries(x, c.Start, year)))
				}
			}
			return out
		}
		trained, judged := signals(train), signals(judge)
		for _, s := range []struct {
			setting   string
			threshold float64
		}{{"as published", m.Threshold}, {"one false alarm a year", calibrate(trained, quietYears)}} {
			row := Row{Method: m.Name, Setting: s.setting}
			n := 0
			for _, x := range judged {
				n += len(x.alarmsAbove(s.threshold, ""))
			}
			row.FalsePerYear = float64(n) / float64(quietYears)
			var got []Alarm
			for _, x := range test {
				got = append(got, m.run(hourlySeries(x, c.Start, year)).alarmsAbove(s.threshold, "campaign "+x.Name)...)
			}
			row.score(test, got, from)
			rep.Rows = append(rep.Rows, row)
		}
	}
	return rep
}

func onlySpikes(in []Alarm) []Alarm {
	return slices.DeleteFunc(in, func(a Alarm) bool { return a.Kind != complaint.KindSpike })
}

// after a spike is over its complaints still come for some days.
const echo = 4 * dayMS

// score holds alarms against the spikes there were.
func (r *Row) score(cs []*Campaign, alarms []Alarm, from int64) {
	var delays []float64
	for _, c := range cs {
		for _, s := range c.Spikes {
			if s.From < from {
				continue
			}
			r.Spikes++
			for _, a := range alarms {
				if a.Who == "campaign "+c.Name && a.At >= s.From && a.At <= s.To+dayMS {
					delays = append(delays, float64(a.At-s.From)/hourMS)
					break
				}
			}
		}
		for _, a := range alarms {
			if a.Who == "campaign "+c.Name && !slices.ContainsFunc(c.Spikes, func(s Spike) bool { return a.At >= s.From && a.At <= s.To+echo }) {
				r.Others++
			}
		}
	}
	slices.Sort(delays)
	r.Seen, r.Median, r.Slowest = len(delays), quantile(delays, 0.5), quantile(delays, 0.9)
	for _, d := range delays {
		if d <= 12 {
			r.Early++
		}
	}
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[int(q*float64(len(sorted)-1))]
}
