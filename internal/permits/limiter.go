package permits

import (
	"sync"
	"time"
)

// limiter says how many requests may wait at once. As long as answers come in time it lets a few more in each round;
// when they are late it takes a tenth off, at most once while those that were let in before are answered. So a system
// that is asked for more than it can do goes on answering fast, and the rest is told at once to come again.
type limiter struct {
	late time.Duration // an answer that took longer is late
	most int
	now  func() time.Time

	mu      sync.Mutex
	limit   float64
	waiting int
	cutAt   time.Time
}

const fewest = 16 // a few are always let in, or nobody would learn that it goes fast again

func newLimiter(most int, late time.Duration) *limiter {
	return &limiter{late: late, most: most, limit: float64(min(most, 1024)), now: time.Now}
}

// enter lets a request in, or not; with the time of entry.
func (l *limiter) enter() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if float64(l.waiting) >= l.limit {
		return time.Time{}, false
	}
	l.waiting++
	return l.now(), true
}

// leave notes the answer to a request that entered then; no answer at all is a late one.
func (l *limiter) leave(entered time.Time, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	crowded := float64(l.waiting)*2 >= l.limit
	l.waiting--
	switch now := l.now(); {
	case !answered || now.Sub(entered) > l.late:
		if entered.After(l.cutAt) {
			l.limit, l.cutAt = max(l.limit*.9, float64(min(fewest, l.most))), now
		}
	case crowded:
		l.limit = min(l.limit+4/l.limit, float64(l.most))
	}
}

// size is how many may wait now.
func (l *limiter) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.limit)
}
