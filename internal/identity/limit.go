package identity

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Limiter slows down whoever guesses passwords. It counts failures: five of one name from one address, thirty from one
// address, and a hundred of one name from wherever, in a quarter of an hour each; then nobody is let in there until the
// oldest failure is that old. It counts per process.
type Limiter struct {
	mu    sync.Mutex
	fails *lru.Cache[string, []time.Time]
}

const (
	limitWindow  = 15 * time.Minute
	perPair      = 5
	perAddress   = 30
	perName      = 100
	limitEntries = 50_000
)

// NewLimiter makes one.
func NewLimiter() *Limiter {
	c, err := lru.New[string, []time.Time](limitEntries)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &Limiter{fails: c}
}

type bucket struct {
	key  string
	most int
}

func buckets(name, address string) []bucket {
	return []bucket{{"p\x00" + name + "\x00" + address, perPair}, {"a\x00" + address, perAddress}, {"n\x00" + name, perName}}
}

// Wait is how long nobody may try that name from that address, 0 = he may.
func (l *Limiter) Wait(now time.Time, name, address string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wait time.Duration
	for _, b := range buckets(name, address) {
		at := l.recent(now, b.key)
		if len(at) >= b.most {
			wait = max(wait, limitWindow-now.Sub(at[len(at)-b.most]))
		}
	}
	return wait
}

// Failed counts a failure.
func (l *Limiter) Failed(now time.Time, name, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range buckets(name, address) {
		at := append(l.recent(now, b.key), now)
		if len(at) > b.most {
			at = at[len(at)-b.most:]
		}
		l.fails.Add(b.key, at)
	}
}

// Passed forgets the failures of a name from an address: it was its owner who had mistyped.
func (l *Limiter) Passed(name, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails.Remove(buckets(name, address)[0].key)
}

func (l *Limiter) recent(now time.Time, key string) []time.Time {
	at, _ := l.fails.Get(key)
	for len(at) > 0 && now.Sub(at[0]) >= limitWindow {
		at = at[1:]
	}
	return at
}
