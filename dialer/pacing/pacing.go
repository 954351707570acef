package pacing

import "math"

// Mode is how a campaign is dialled.
type Mode string

const (
	Progressive Mode = "progressive" // one call per free agent
	Predictive  Mode = "predictive"  // more, as the answer rate and the abandonment allow
)

// Verdict is what the campaign's signal says.
type Verdict string

const (
	Run      Verdict = "run"
	Throttle Verdict = "throttle"
	Stop     Verdict = "stop"
)

// Input is what is known at the moment of the decision.
type Input struct {
	Mode       Mode
	Verdict    Verdict
	Available  int     // agents waiting for a call
	Busy       int     // agents talking or wrapping up
	Dialing    int     // calls started and not yet answered or given up
	Waiting    int     // answered calls without an agent
	AnswerRate float64 // live answers per dial, 0..1
	Live       int64   // live answers the rates are based on
	Abandoned  int64   // of them, abandoned
	Target     float64 // abandonment not to be exceeded, e.g. 0.03
	MaxLevel   float64 // most calls per free agent, e.g. 3
	// HandlingMS and RingMS foretell how many busy agents come free while a call rings.
	HandlingMS float64
	RingMS     float64
}

// Output is the decision: how many calls to start, at what level, and why.
type Output struct {
	Dials  int
	Level  float64 // calls per free agent aimed at
	Reason string
}

// minLive is how many live answers are needed before abandonment can be judged at all.
const minLive = 50

// Decide says how many calls to start now.
func Decide(in Input) Output {
	free := in.Available - in.Waiting
	switch {
	case in.Verdict == Stop:
		return Output{Reason: "stopped by signal"}
	case free <= 0:
		return Output{Reason: "no agent is free"}
	case in.Verdict == Throttle:
		n := max(0, (free+1)/2-in.Dialing)
		return Output{Dials: n, Level: 0.5, Reason: "throttled by signal"}
	case in.Mode != Predictive:
		return Output{Dials: max(0, free-in.Dialing), Level: 1, Reason: "progressive"}
	case in.Live < minLive:
		return Output{Dials: max(0, free-in.Dialing), Level: 1, Reason: "too few answers to predict from"}
	}
	level, reason := Level(in)
	aim := int(math.Floor(float64(free)*level + 1e-9))
	return Output{Dials: max(0, aim-in.Dialing), Level: level, Reason: reason}
}

// Level gives the calls per free agent of the predictive mode. It never falls below 1: one call for one free agent
// abandons nobody.
func Level(in Input) (float64, string) {
	if in.Target <= 0 || in.MaxLevel <= 1 || in.AnswerRate <= 0 {
		return 1, "no abandonment is allowed"
	}
	upper := upperBound(in.Abandoned, in.Live)
	if upper >= in.Target {
		return 1, "abandonment may be at its target"
	}
	// With n calls per free agent and answer rate p, about n*p agents are wanted at once. Room under the target
	// widens the level smoothly from 1 to what fills the agents that ring time will find free.
	room := 1 - upper/in.Target
	soon := 1.0
	if in.HandlingMS > 0 && in.RingMS > 0 && in.Available > 0 {
		soon += float64(in.Busy) * math.Min(1, in.RingMS/in.HandlingMS) / float64(in.Available)
	}
	full := math.Min(in.MaxLevel, soon/math.Min(1, in.AnswerRate))
	if full <= 1 {
		return 1, "nearly every call is answered"
	}
	return 1 + (full-1)*room, "predictive"
}

// upperBound is the Wilson score upper limit, one-sided 95 %, of the abandonment rate.
func upperBound(bad, n int64) float64 {
	if n <= 0 {
		return 1
	}
	const z = 1.645
	p, nn := float64(bad)/float64(n), float64(n)
	centre := p + z*z/(2*nn)
	spread := z * math.Sqrt(p*(1-p)/nn+z*z/(4*nn*nn))
	return (centre + spread) / (1 + z*z/nn)
}
