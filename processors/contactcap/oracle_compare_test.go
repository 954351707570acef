package contactcap_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap"
)

// forEngine is a history as the engine takes it.
func (h *oHistory) forEngine() *contactcap.History {
	e := &contactcap.History{}
	for _, x := range h.calls {
		e.Calls = append(e.Calls, contactcap.CallEntry{At: x.at, Inbound: x.inbound, Answered: x.answered, Bridged: x.bridged, AnsweredBy: x.by, Outcome: x.outcome, Purpose: x.purpose,
			Campaign: x.campaign, Products: x.products, Refused: x.refused, OptOut: x.optOut, NumberHash: x.number})
	}
	for _, x := range h.permits {
		e.Permits = append(e.Permits, contactcap.PermitEntry{At: x.at, Purpose: x.purpose, Campaign: x.campaign, Products: x.products, NumberHash: x.number})
	}
	for _, x := range h.changes {
		e.Changes = append(e.Changes, contactcap.Change{At: x.at, Segment: x.segment, Plan: x.plan, Groups: x.groups, GroupsSet: x.groups != nil, TimeZone: x.zone, Region: x.region, Tariff: x.tariff,
			Lists: x.lists, Products: x.products, ClearRefusals: x.clear})
	}
	for _, x := range h.complaints {
		e.Complaints = append(e.Complaints, contactcap.ComplaintEntry{At: x.at, Products: x.products, Campaign: x.campaign, NumberHash: x.number, Rejected: x.rejected, Serious: x.serious})
	}
	return e
}

func (q *oRequest) forEngine() contactcap.Request {
	return contactcap.Request{At: q.at, Purpose: q.purpose, Products: q.products, Campaign: q.campaign, PartnerID: q.partner, CallerID: q.caller, InboundNumber: q.inbound,
		GuaranteedAgent: q.guaranteed, Recording: q.recording, NumberHash: q.number}
}

// next tries one moment after another. 0 = never.
func (b *rulebook) next(h *oHistory, q *oRequest, rules []*oRule) int64 {
	allowed := func(now int64) bool {
		for _, r := range rules {
			if h.verdict(r, q, now, b.home, oZones).denies {
				return false
			}
		}
		return true
	}
	if allowed(q.at) {
		return q.at
	}
	last := q.at
	for _, list := range [][]int64{times(h.calls, func(x oCall) int64 { return x.at }), times(h.permits, func(x oPermit) int64 { return x.at }),
		times(h.changes, func(x oChange) int64 { return x.at }), times(h.complaints, func(x oComplaint) int64 { return slices.Max(append([]int64{x.at}, x.serious...)) })} {
		for _, at := range list {
			last = max(last, at)
		}
	}
	// The longest span of a grain, and a calendar period, begin at the last event.
	end := last + 2*86400_000 + 8*86400_000 + b.g.horizon*b.g.step
	if b.g.step > quarter {
		end += 62 * 86400_000
	}
	first := b.base - (q.at-b.base+2)/b.g.step*b.g.step
	off := int64(0)
	if b.ragged {
		off = 1
	}
	for at := first; at <= end; at += b.g.step {
		for now := at - off; now <= at+off; now++ {
			if now > q.at && allowed(now) {
				return now
			}
		}
	}
	return 0
}

func times[T any](list []T, at func(T) int64) []int64 {
	var out []int64
	for _, x := range list {
		out = append(out, at(x))
	}
	return out
}

// differs compares engine and oracle on one case; "" = they agree.
func (b *rulebook) differs(h *oHistory, q *oRequest) string {
	d := contactcap.Decide(h.forEngine(), b.engine, q.forEngine())
	var denied []*oRule
	var all []*oRule
	for i := range b.rules {
		r := &b.rules[i]
		all = append(all, r)
		v := h.verdict(r, q, q.at, b.home, oZones)
		if !v.denies {
			continue
		}
		if len(denied) == len(d.DeniedBy) || d.DeniedBy[len(denied)].Rule != r.id {
			return fmt.Sprintf("%s denies; the engine says %+v", r.id, d.DeniedBy)
		}
		got := d.DeniedBy[len(denied)]
		denied = append(denied, r)
		if v.counts != (got.Used != nil) || v.counts && (*got.Used != int64(v.used) || *got.Limit != int64(v.limit)) {
			return fmt.Sprintf("%s: %d of %d (%v); the engine says %+v", r.id, v.used, v.limit, v.counts, got)
		}
		if want := b.next(h, q, []*oRule{r}); want != got.NextAllowedAt {
			return fmt.Sprintf("%s: next allowed at %s, the engine says %s", r.id, stamp(want), stamp(got.NextAllowedAt))
		}
	}
	if len(denied) != len(d.DeniedBy) || d.Permit != (len(denied) == 0) {
		return fmt.Sprintf("%d rules deny; the engine says %v %+v", len(denied), d.Permit, d.DeniedBy)
	}
	if len(denied) > 0 {
		if want := b.next(h, q, all); want != d.NextAllowedAt {
			return fmt.Sprintf("next allowed at %s, the engine says %s", stamp(want), stamp(d.NextAllowedAt))
		}
	}
	return ""
}

func stamp(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// TestOracle compares the engine with the oracle on random policies, histories and requests. -oracle.cases=1000000 is
// what `make oracle` runs.
func TestOracle(t *testing.T) {
	if testing.Short() {
		t.Skip("a long calculation, run without the race detector")
	}
	seed := *oracleSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	const perPolicy = 25
	var next, denials, nevers atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := next.Add(perPolicy) - perPolicy
				if i >= int64(*oracleCases) || t.Failed() {
					return
				}
				c := chance{rand.New(rand.NewPCG(seed, uint64(i)))}
				b := c.rulebook(t)
				for range perPolicy {
					h, q := c.history(b), c.request(b)
					if diff := b.differs(h, q); diff != "" {
						t.Errorf("seed %d case %d: %s\nat %s %+v\n%s\n%s", seed, i, diff, stamp(q.at), *q, b.src, h)
						return
					}
					if d := contactcap.Decide(h.forEngine(), b.engine, q.forEngine()); !d.Permit {
						denials.Add(1)
						if d.NextAllowedAt == 0 {
							nevers.Add(1)
						}
					}
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d cases, %d denied, %d for ever", *oracleCases, denials.Load(), nevers.Load())
	if n := int64(*oracleCases); denials.Load() < n/10 || denials.Load() > n*9/10 {
		t.Errorf("%d of %d cases are denied: they say little", denials.Load(), n)
	}
}

// String shows a history for a report.
func (h *oHistory) String() string {
	var b strings.Builder
	for _, x := range h.calls {
		fmt.Fprintf(&b, "call %s %+v\n", stamp(x.at), x)
	}
	for _, x := range h.permits {
		fmt.Fprintf(&b, "permit %s %+v\n", stamp(x.at), x)
	}
	for _, x := range h.changes {
		fmt.Fprintf(&b, "change %s", stamp(x.at))
		for name, p := range map[string]*string{"segment": x.segment, "plan": x.plan, "zone": x.zone, "region": x.region, "tariff": x.tariff} {
			if p != nil {
				fmt.Fprintf(&b, " %s=%s", name, *p)
			}
		}
		fmt.Fprintf(&b, " groups=%v lists=%v products=%v clear=%v\n", x.groups, x.lists, x.products, x.clear)
	}
	for _, x := range h.complaints {
		fmt.Fprintf(&b, "complaint %s serious", stamp(x.at))
		for _, at := range x.serious {
			fmt.Fprintf(&b, " %s", stamp(at))
		}
		fmt.Fprintf(&b, " %+v\n", x)
	}
	return b.String()
}
