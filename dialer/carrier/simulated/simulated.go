package simulated

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"github.com/ringfence/ringfence/dialer/carrier"
)

// From the data set.
const (
	HumanRate = 1 / 2.764
	AgreeRate = 0.11698
)

// Assumed: shares of all attempts.
const (
	machineRate     = 0.09
	faxRate         = 0.004
	busyRate        = 0.10
	rejectedRate    = 0.04
	unavailableRate = 0.03
	invalidRate     = 0.012
)

// Assumed: shares of human conversations.
const (
	refuseRate   = 0.30
	considerRate = 0.22
	hesitateRate = 0.20
	optOutRate   = 0.004
	wrongPerson  = 0.06
)

var (
	quantiles = []float64{0, 0.02, 0.10, 0.25, 0.50, 0.75, 0.90, 0.98, 1}
	agreeSecs = []float64{8, 97, 161, 244, 426, 725, 1062, 1576, 1900}
	otherSecs = []float64{4, 15, 54, 95, 164, 279, 447, 811, 1200}
)

// Carrier is the simulated one. TalkScale shortens or stretches conversations (1 = as in the data).
type Carrier struct {
	Seed      uint64
	TalkScale float64

	calls  map[string]*line
	events queue
	seq    int
}

type line struct {
	rng      *rand.Rand
	answered bool
	bridged  bool
	done     bool
	by       string
}

// New makes a carrier.
func New(seed uint64, talkScale float64) *Carrier {
	return &Carrier{Seed: seed, TalkScale: talkScale, calls: map[string]*line{}}
}

func (c *Carrier) push(e carrier.Event) {
	c.seq++
	heap.Push(&c.events, queued{e, c.seq})
}

// Dial decides at once, from seed and attempt id, who will answer and when.
func (c *Carrier) Dial(now int64, a carrier.Attempt) error {
	if _, ok := c.calls[a.ID]; ok {
		return fmt.Errorf("attempt %s is on the line already", a.ID)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(a.ID))
	r := rand.New(rand.NewPCG(c.Seed, h.Sum64()))
	l := &line{rng: r}
	c.calls[a.ID] = l
	ring := 4000 + r.Int64N(14000)
	u := r.Float64()
	answered := func(by string) {
		l.by = by
		c.push(carrier.Event{AttemptID: a.ID, At: now + ring, Kind: carrier.Answered, By: by})
	}
	ended := func(after int64, outcome string, cause int) {
		c.push(carrier.Event{AttemptID: a.ID, At: now + after, Kind: carrier.Ended, Outcome: outcome, Cause: cause, HangupBy: "system"})
	}
	for _, f := range []struct {
		rate float64
		do   func()
	}{
		{HumanRate, func() { answered("human") }},
		{machineRate, func() { answered("machine") }},
		{faxRate, func() { answered("fax") }},
		{busyRate, func() { ended(1500, "busy", 17) }},
		{rejectedRate, func() { ended(ring, "rejected", 21) }},
		{unavailableRate, func() { ended(3000, "unavailable", 20) }},
		{invalidRate, func() { ended(1200, "invalid_number", 1) }},
		{1, func() { ended(25000, "no_answer", 19) }},
	} {
		if u < f.rate {
			f.do()
			break
		}
		u -= f.rate
	}
	return nil
}

// Bridge starts the conversation: its length and result are drawn now.
func (c *Carrier) Bridge(now int64, id, _ string) error {
	l := c.calls[id]
	if l == nil || !l.answered || l.done {
		return fmt.Errorf("attempt %s is not waiting for an agent", id)
	}
	l.bridged = true
	r := l.rng
	if l.by != "human" {
		c.push(carrier.Event{AttemptID: id, At: now + 4000, Kind: carrier.Ended, Cause: 16, HangupBy: "agent",
			Result: &carrier.Result{WrapUpMS: 3000}})
		return nil
	}
	res := &carrier.Result{Reached: r.Float64() >= wrongPerson, WrapUpMS: 8000 + r.Int64N(40000)}
	secs := otherSecs
	switch u := r.Float64(); {
	case !res.Reached:
		if r.Float64() < 0.2 {
			res.Useless = "wrong_number"
		}
	case u < AgreeRate:
		res.Disposition, res.Completed, secs = "agree", true, agreeSecs
	case u < AgreeRate+refuseRate:
		res.Disposition, res.Completed = "refuse", r.Float64() < 0.3
		res.OptOut = r.Float64() < optOutRate/refuseRate
	case u < AgreeRate+refuseRate+considerRate:
		res.Disposition, res.Completed = "consider", true
	case u < AgreeRate+refuseRate+considerRate+hesitateRate:
		res.Disposition, res.Completed = "hesitate", true
	default:
		res.Disposition = "other"
	}
	talk := int64(1000 * c.TalkScale * quantile(secs, r.Float64()))
	by := "customer"
	if r.Float64() < 0.4 {
		by = "agent"
	}
	c.push(carrier.Event{AttemptID: id, At: now + talk, Kind: carrier.Ended, Cause: 16, HangupBy: by, Result: res})
	return nil
}

// Hangup ends an attempt whatever it is doing.
func (c *Carrier) Hangup(now int64, id string) error {
	l := c.calls[id]
	if l == nil || l.done {
		return nil
	}
	outcome := "cancelled"
	if l.answered {
		outcome = ""
	}
	c.push(carrier.Event{AttemptID: id, At: now, Kind: carrier.Ended, Outcome: outcome, Cause: 16, HangupBy: "system"})
	return nil
}

// Poll returns what has happened up to now.
func (c *Carrier) Poll(now int64) []carrier.Event {
	var out []carrier.Event
	for len(c.events) > 0 && c.events[0].At <= now {
		e := heap.Pop(&c.events).(queued).Event
		l := c.calls[e.AttemptID]
		if l == nil || l.done {
			continue
		}
		switch e.Kind {
		case carrier.Answered:
			l.answered = true
		case carrier.Ended:
			l.done = true
			delete(c.calls, e.AttemptID)
		}
		out = append(out, e)
	}
	return out
}

// Next says when the next thing happens.
func (c *Carrier) Next() (int64, bool) {
	if len(c.events) == 0 {
		return 0, false
	}
	return c.events[0].At, true
}

func quantile(v []float64, p float64) float64 {
	for i := 1; i < len(quantiles); i++ {
		if p <= quantiles[i] {
			f := (p - quantiles[i-1]) / (quantiles[i] - quantiles[i-1])
			return v[i-1] + f*(v[i]-v[i-1])
		}
	}
	return v[len(v)-1]
}

type queued struct {
	carrier.Event
	seq int
}

type queue []queued

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].At < q[j].At || q[i].At == q[j].At && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(queued)) }
func (q *queue) Pop() any {
	o := *q
	x := o[len(o)-1]
	*q = o[:len(o)-1]
	return x
}
