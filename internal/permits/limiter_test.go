package permits

import (
	"testing"
	"time"
)

// A system that answers 2,000 requests a second is asked for 10,000: those let in are answered in time, the others are told
// at once; and when nobody answers for a while, all is as before soon after.
func TestMoreIsAskedThanCanBeAnswered(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := newLimiter(4096, 250*time.Millisecond)
	l.now = func() time.Time { return now }
	var queue []time.Time
	var worst time.Duration
	refused, answered := 0, 0
	run := func(seconds, answersPerMS int, measure bool) {
		for range seconds * 1000 {
			now = now.Add(time.Millisecond)
			for range 10 {
				if at, ok := l.enter(); ok {
					queue = append(queue, at)
				} else {
					refused++
				}
			}
			for range min(answersPerMS, len(queue)) {
				if d := now.Sub(queue[0]); measure {
					worst = max(worst, d)
					answered++
				}
				l.leave(queue[0], true)
				queue = queue[1:]
			}
			for len(queue) > 0 && now.Sub(queue[0]) > 2*time.Second {
				l.leave(queue[0], false)
				queue = queue[1:]
			}
		}
	}
	run(10, 2, false)
	refused, answered = 0, 0
	run(20, 2, true)
	if worst > 400*time.Millisecond || answered != 40_000 || refused < 150_000 {
		t.Errorf("worst answer after %v, %d answered, %d refused", worst, answered, refused)
	}
	run(6, 0, false) // nobody answers
	if l.size() > 2048 {
		t.Errorf("%d may wait while nobody answers", l.size())
	}
	worst, answered = 0, 0
	run(10, 2, false)
	run(10, 2, true)
	if worst > 400*time.Millisecond || answered != 20_000 {
		t.Errorf("afterwards: worst answer after %v, %d answered", worst, answered)
	}
}

// While answers are fast the limit grows to the most.
func TestAFastSystemLetsAllIn(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := newLimiter(2000, 250*time.Millisecond)
	l.now = func() time.Time { return now }
	for range 2000 {
		var in []time.Time
		for range 2000 {
			if at, ok := l.enter(); ok {
				in = append(in, at)
			}
		}
		now = now.Add(5 * time.Millisecond)
		for _, at := range in {
			l.leave(at, true)
		}
	}
	if l.size() != 2000 {
		t.Errorf("%d may wait", l.size())
	}
}
