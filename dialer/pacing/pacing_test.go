package pacing

import (
	"testing"

	"pgregory.net/rapid"
)

func input(t *rapid.T) Input {
	live := rapid.Int64Range(0, 5000).Draw(t, "live")
	return Input{
		Mode:      rapid.SampledFrom([]Mode{Progressive, Predictive}).Draw(t, "mode"),
		Verdict:   rapid.SampledFrom([]Verdict{Run, Throttle, Stop}).Draw(t, "verdict"),
		Available: rapid.IntRange(0, 50).Draw(t, "available"), Busy: rapid.IntRange(0, 200).Draw(t, "busy"),
		Dialing: rapid.IntRange(0, 100).Draw(t, "dialing"), Waiting: rapid.IntRange(0, 5).Draw(t, "waiting"),
		AnswerRate: rapid.Float64Range(0, 1).Draw(t, "rate"), Live: live,
		Abandoned: rapid.Int64Range(0, live).Draw(t, "abandoned"), Target: rapid.Float64Range(0, 0.1).Draw(t, "target"),
		MaxLevel: rapid.Float64Range(0, 5).Draw(t, "max"), HandlingMS: 300000, RingMS: 15000,
	}
}

func TestDecideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := input(t)
		out := Decide(in)
		if out.Dials < 0 {
			t.Fatalf("negative: %+v", out)
		}
		if in.Verdict == Stop && out.Dials != 0 {
			t.Fatalf("a stopped campaign dials %d", out.Dials)
		}
		more := in
		more.Available++
		if Decide(more).Dials < out.Dials && in.Mode == Progressive {
			t.Fatalf("one more agent, fewer calls: %+v then %+v", out, Decide(more))
		}
		if in.Verdict == Run {
			slow := in
			slow.Verdict = Throttle
			if Decide(slow).Dials > out.Dials {
				t.Fatal("throttled dials more than running")
			}
		}
		worse := in
		if worse.Abandoned < worse.Live {
			worse.Abandoned++
			if Decide(worse).Dials > out.Dials {
				t.Fatal("more abandonment, more calls")
			}
		}
	})
}

func TestPredictiveFallsBackAtTheTarget(t *testing.T) {
	in := Input{Mode: Predictive, Verdict: Run, Available: 10, AnswerRate: 0.3, Target: 0.03, MaxLevel: 3}
	for _, c := range []struct {
		name            string
		live, abandoned int64
		want            int
	}{
		{"too few answers", 49, 0, 10},
		{"at the target", 1000, 30, 10},
		{"sure to be under it", 100000, 0, 29},
	} {
		in.Live, in.Abandoned = c.live, c.abandoned
		if got := Decide(in).Dials; got != c.want {
			t.Errorf("%s: %d dials, want %d", c.name, got, c.want)
		}
	}
}
