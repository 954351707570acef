package complaint

import (
	"fmt"
	"time"

	"github.com/ringfence/ringfence/event"
)

// InboundTest says when inbound calls are at a peak (THR-02 [decision]: by service level, with hysteresis).
type InboundTest struct {
	WithinMS int64   // a call is served if it is bridged within this time
	WindowMS int64   // looked back on
	Least    int64   // calls needed to judge
	Begin    float64 // outbound is throttled below this service level
	Stop     float64 // and stopped below this one
	End      float64 // it goes on above this one ...
	HoldMS   int64   // ... when that has held for so long
}

// DefaultInboundTest is 80 % within 20 s.
func DefaultInboundTest() InboundTest {
	return InboundTest{WithinMS: 20_000, WindowMS: 10 * minuteMS, Least: 20, Begin: 0.8, Stop: 0.5, End: 0.9, HoldMS: 5 * minuteMS}
}

// Peak is the verdict on inbound calls, and since when they have been well.
type Peak struct {
	Verdict   string // run | throttle | stop
	WellSince int64  // 0 = they are not
}

// Decide goes from the verdict before to the one now: down at once, up only when the service level has been above End (or
// there have been too few calls to have a peak) for HoldMS.
func (t InboundTest) Decide(was Peak, offered, served, now int64) Peak {
	level := 1.0
	if offered >= t.Least {
		level = float64(served) / float64(offered)
	}
	switch {
	case level < t.Stop:
		return Peak{Verdict: "stop"}
	case level < t.Begin:
		if was.Verdict == "stop" {
			return Peak{Verdict: "stop"}
		}
		return Peak{Verdict: "throttle"}
	case was.Verdict == "run":
		return Peak{Verdict: "run"}
	case level < t.End:
		return Peak{Verdict: was.Verdict}
	}
	if was.WellSince == 0 {
		was.WellSince = now
	}
	if now-was.WellSince >= t.HoldMS {
		return Peak{Verdict: "run"}
	}
	return was
}

// inboundCounts takes inbound calls by the minute; what is not of now is an import and slows nobody down.
func (p *processor) inboundCounts(c *ctx, counts *event.WatchCounts) error {
	s, err := get(c, inboundKey)
	if err != nil {
		return err
	}
	now := c.Now().UnixMilli()
	for _, b := range counts.Buckets {
		if b.At > now-p.Inbound.WindowMS-minuteMS {
			s.Buckets = add(s.Buckets, b, minuteMS)
		}
	}
	if len(s.Buckets) == 0 {
		return nil
	}
	return p.inbound(c, s)
}

func (p *processor) inboundLook(c *ctx) error {
	s, err := get(c, inboundKey)
	if err != nil {
		return err
	}
	return p.inbound(c, s)
}

// inbound judges, and tells every campaign's dialer at once.
func (p *processor) inbound(c *ctx, s *State) error {
	now := c.Now().UnixMilli()
	for len(s.Buckets) > 0 && s.Buckets[0].At <= now-p.Inbound.WindowMS-minuteMS {
		s.Buckets = s.Buckets[1:]
	}
	var offered, served int64
	for _, b := range s.Buckets {
		offered, served = offered+b.Inbound, served+b.InboundServed
	}
	was := Peak{s.Verdict, s.LookedAt}
	if was.Verdict == "" {
		was.Verdict = "run"
	}
	is := p.Inbound.Decide(was, offered, served, now)
	p.Metrics.judged(KindInbound)
	if is.Verdict != was.Verdict {
		detail := fmt.Sprintf("%d of %d inbound calls of the last %s were served within %s", served, offered, span(p.Inbound.WindowMS), time.Duration(p.Inbound.WithinMS*int64(time.Millisecond)))
		if err := p.signal(c, "*", is.Verdict, detail, KindInbound, now); err != nil {
			return err
		}
		if err := p.inboundAlert(c, s, was, is, now, detail, float64(served)/float64(max(1, offered))); err != nil {
			return err
		}
	}
	s.Verdict, s.LookedAt = is.Verdict, is.WellSince
	if err := c.Put(inboundKey, s); err != nil {
		return err
	}
	if is.Verdict == "run" && len(s.Buckets) == 0 {
		return nil
	}
	return c.SetTimer(inboundKey, c.Now().Add(15*time.Second))
}

func (p *processor) inboundAlert(c *ctx, s *State, was, is Peak, now int64, detail string, level float64) error {
	if was.Verdict == "run" {
		s.Floor = now
	}
	a := &event.Alert{AlertId: fmt.Sprintf("%s|%d", KindInbound, s.Floor), Kind: KindInbound, Dimension: "centre", Subject: "inbound", State: "firing", At: now, Since: s.Floor, Severity: "warning",
		Value: level, Expected: p.Inbound.Begin, Rate: level, WindowMs: p.Inbound.WindowMS, Detail: detail, Action: is.Verdict}
	switch is.Verdict {
	case "run":
		a.State, a.Done = "resolved", "outbound campaigns run again"
	case "throttle":
		a.Done = "outbound campaigns are dialled at half pace while inbound is at its peak"
	case "stop":
		a.Severity, a.Done = "critical", "marketing campaigns are stopped and others dialled at half pace while inbound is at its peak"
	}
	return p.propose(c, a, nil)
}
