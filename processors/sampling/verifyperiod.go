package sampling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/event"
)

// Candidate is a recording of a period as ClickHouse has it.
type Candidate struct {
	Agent, CallID, Day, Campaign string
	Seq                          int64
	Slice                        int
	Drawn                        bool
}

// Quota is one row of sampling_quotas of a period.
type Quota struct {
	Agent                    string
	Slice                    int
	Required                 int
	Calls, Roles, Campaigns  []string
	Reason                   string
	Nth                      int
	ExemptionOnRecord, Known bool // whether the exemption was looked up, and is there
}

// RedoPeriod does the draw of an assessment period again (SMP-04 to SMP-06). end is the period's last day, whose key it
// is done with.
func RedoPeriod(period, end string, key Published, rows []Candidate, quotas []Quota) (*Redone, error) {
	r := &Redone{Draw: "period", Scope: period, Population: len(rows), Missing: []string{}, Extra: []string{}}
	if len(rows) == 0 {
		return r.done(), nil
	}
	secret, err := r.open(key)
	if err != nil {
		return nil, err
	}
	agents, told := map[string][]Candidate{}, map[string][]Quota{}
	for _, c := range rows {
		agents[c.Agent] = append(agents[c.Agent], c)
	}
	for _, q := range quotas {
		told[q.Agent] = append(told[q.Agent], q)
	}
	for _, agent := range sorted(agents) {
		a := &periodOf{r: r, secret: secret, agent: agent, end: end, rows: agents[agent], calls: map[string]string{}}
		a.redo(told[agent])
	}
	return r.done(), nil
}

// periodOf is the period of one agent.
type periodOf struct {
	r      *Redone
	secret []byte
	agent  string
	end    string
	rows   []Candidate
	calls  map[string]string // by day/seq
	spare  []*event.SamplingRef
	drawn  []string
	exempt bool
	final  bool
}

func place(day string, seq int64) string { return fmt.Sprint(day, "/", seq) }

// candidates of a slice that are not drawn yet.
func (a *periodOf) candidates(slice int) []*event.SamplingRef {
	var out []*event.SamplingRef
	for _, c := range a.rows {
		if c.Slice == slice && !slices.Contains(a.drawn, c.CallID) {
			out = append(out, &event.SamplingRef{Day: c.Day, Seq: c.Seq, CampaignId: c.Campaign, Rank: Rank(a.secret, a.agent, a.end, c.Day, c.Seq)})
		}
	}
	return keep(nil, out...)
}

func (a *periodOf) redo(quotas []Quota) {
	slices.SortFunc(quotas, func(x, y Quota) int { return cmp.Or(cmp.Compare(x.Nth, y.Nth), cmp.Compare(x.Slice, y.Slice)) })
	slice := map[int]bool{}
	for _, c := range a.rows {
		a.calls[place(c.Day, c.Seq)] = c.CallID
		if c.Slice < Slices {
			slice[c.Slice] = true
		}
	}
	a.r.Required += min(Slices, len(a.rows))
	closed := 0
	for _, q := range quotas {
		switch {
		case q.Slice < Slices:
			closed++
			delete(slice, q.Slice)
			a.spare = keep(a.spare, a.take(q, a.candidates(q.Slice), closed-len(a.drawn))...)
		case q.Slice == Slices:
			a.final = true
			a.take(q, keep(a.spare, a.candidates(late)...), Slices-len(a.drawn))
		default:
			a.after(q)
		}
	}
	for s := range slice {
		a.r.wrong("agent %s: nothing is on record of slice %d", a.agent, s)
	}
	if !a.final && len(a.drawn) < Slices {
		a.r.wrong("agent %s: %d were drawn, and nothing is on record of the period's end", a.agent, len(a.drawn))
	}
	for _, c := range a.rows {
		want := slices.Contains(a.drawn, c.CallID)
		if c.Drawn {
			a.r.Drawn++
		}
		switch {
		case want && !c.Drawn:
			a.r.Missing = append(a.r.Missing, c.CallID)
		case !want && c.Drawn:
			a.r.Extra = append(a.r.Extra, c.CallID)
		}
	}
	if n := min(Slices, len(a.rows)); len(a.drawn) < n && !a.exempt {
		a.r.wrong("agent %s: %d were drawn of %d that there should be", a.agent, len(a.drawn), n)
	} else if len(a.drawn) < Slices {
		why := "there were no more recordings"
		if a.exempt {
			why = "exempt (SMP-06)"
		}
		a.r.Shortfalls = append(a.r.Shortfalls, fmt.Sprintf("agent %s: %d of %d: %s", a.agent, len(a.drawn), Slices, why))
	}
}

// take draws again what a row of the quotas tells of, and returns what is left.
func (a *periodOf) take(q Quota, refs []*event.SamplingRef, due int) []*event.SamplingRef {
	if q.Required != due {
		a.r.wrong("agent %s, slice %d: %d were due, not %d", a.agent, q.Slice, due, q.Required)
	}
	if strings.HasPrefix(q.Reason, "exempt") {
		a.exempt = true
		if q.Known && !q.ExemptionOnRecord {
			a.r.wrong("agent %s: nobody exempted him in %s", a.agent, a.r.Scope)
		}
		return refs
	}
	campaigns := Campaigns(refs, nil)
	order := slices.Sorted(slices.Values(q.Campaigns))
	slices.Sort(campaigns)
	if !slices.Equal(order, campaigns) {
		a.r.wrong("agent %s, slice %d: campaigns %v are on record, the recordings are of %v", a.agent, q.Slice, order, campaigns)
		return refs
	}
	taken, rest := Pick(refs, q.Campaigns, len(a.drawn), due)
	var want []string
	for _, t := range taken {
		want = append(want, a.calls[place(t.Day, t.Seq)])
	}
	if !slices.Equal(want, q.Calls) {
		a.r.wrong("agent %s, slice %d: %v are on record, %v had to be drawn", a.agent, q.Slice, q.Calls, want)
	}
	for i := range taken {
		if n := len(a.drawn) + i; i >= len(q.Roles) || n >= Slices || q.Roles[i] != Roles[n] {
			a.r.wrong("agent %s, slice %d: check %d is not for whom it had to be", a.agent, q.Slice, len(a.drawn)+i+1)
		}
	}
	a.drawn = append(a.drawn, want...)
	return rest
}

// after takes a recording that came when the period was closed with too few.
func (a *periodOf) after(q Quota) {
	for _, c := range a.rows {
		if len(q.Calls) == 1 && c.CallID == q.Calls[0] && c.Slice == after && !slices.Contains(a.drawn, c.CallID) && len(a.drawn) < Slices {
			a.drawn = append(a.drawn, c.CallID)
			return
		}
	}
	a.r.wrong("agent %s: %v after the period's end had not to be drawn", a.agent, q.Calls)
}
