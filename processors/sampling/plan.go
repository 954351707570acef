package sampling

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
)

// Slices of a period: one check an agent is drawn from each, so that they spread over the month (SMP-04: 7 a period).
const Slices = 7

// late is the slice of a recording that came after its own was closed, after of one that came after the period was.
const (
	late  = Slices
	after = Slices + 1
)

// Roles for whom an agent's checks of a period are, in the order they are drawn: 3 inspectors, 2 his own leader, 2 other
// leaders (SMP-04).
var Roles = [Slices]string{"inspector", "leader_own", "leader_other", "inspector", "leader_own", "leader_other", "inspector"}

// Period names the assessment period of a day by the month in which it ends, and gives its last day (PER-01: from the
// 28th to the 27th).
func Period(day string) (name, end string) {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return "", ""
	}
	last := time.Date(t.Year(), t.Month(), 27, 0, 0, 0, 0, time.UTC)
	if t.Day() > 27 {
		last = time.Date(t.Year(), t.Month()+1, 27, 0, 0, 0, 0, time.UTC)
	}
	return last.Format("2006-01"), last.Format(time.DateOnly)
}

// Slice is which of its period's slices a day lies in, from 0, and the slice's last day.
func Slice(day string) (slice int, last string) {
	_, end := Period(day)
	e, err := time.Parse(time.DateOnly, end)
	if err != nil {
		return 0, ""
	}
	begin := time.Date(e.Year(), e.Month()-1, 28, 0, 0, 0, 0, time.UTC)
	days := int(e.Sub(begin).Hours()/24) + 1
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0, ""
	}
	slice = int(t.Sub(begin).Hours()/24) * Slices / days
	n := ((slice+1)*days - 1) / Slices // the last n with n*Slices/days == slice
	return slice, begin.AddDate(0, 0, n).Format(time.DateOnly)
}

// Rank of a recording in its agent's period: of equal claim, the lowest is drawn. key is that of the period's last day.
func Rank(key []byte, agent, end, day string, seq int64) uint64 {
	m := hmac.New(sha256.New, key)
	_, _ = m.Write([]byte("period|" + agent + "|" + end + "|" + day + "/" + strconv.FormatInt(seq, 10)))
	return binary.BigEndian.Uint64(m.Sum(nil)[:8])
}

// Campaigns of candidates, the hardest first; of equal ones by name (SMP-05).
func Campaigns(refs []*event.SamplingRef, difficulty map[string]float64) []string {
	var out []string
	for _, r := range refs {
		if !slices.Contains(out, r.CampaignId) {
			out = append(out, r.CampaignId)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(difficulty[b], difficulty[a]), strings.Compare(a, b))
	})
	return out
}

// Pick takes n candidates, one campaign after the other in order, beginning with the begin-th, from each the lowest rank.
// It returns those taken, in order, and the rest.
func Pick(refs []*event.SamplingRef, campaigns []string, begin, n int) (taken, rest []*event.SamplingRef) {
	rest = slices.Clone(refs)
	slices.SortFunc(rest, byRank)
	for i := begin; n > 0 && len(rest) > 0; i++ {
		at := slices.IndexFunc(rest, func(r *event.SamplingRef) bool { return r.CampaignId == campaigns[i%len(campaigns)] })
		if at < 0 {
			continue
		}
		taken, rest = append(taken, rest[at]), slices.Delete(rest, at, at+1)
		n--
	}
	return taken, rest
}

func byRank(a, b *event.SamplingRef) int {
	return cmp.Or(cmp.Compare(a.Rank, b.Rank), strings.Compare(a.Day, b.Day), cmp.Compare(a.Seq, b.Seq))
}

// keep adds candidates to those kept by rank, and leaves out what can't be drawn any more: of a campaign only the lowest
// ranks can.
func keep(refs []*event.SamplingRef, more ...*event.SamplingRef) []*event.SamplingRef {
	for _, m := range more {
		at, _ := slices.BinarySearchFunc(refs, m, byRank)
		refs = slices.Insert(refs, at, m)
		last, n := 0, 0
		for i, r := range refs {
			if r.CampaignId == m.CampaignId {
				last, n = i, n+1
			}
		}
		if n > Slices {
			refs = slices.Delete(refs, last, last+1)
		}
	}
	return refs
}
