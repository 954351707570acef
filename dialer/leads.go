package dialer

import (
	"container/heap"

	"github.com/ringfence/ringfence/client"
)

// Lead is one account to call. NotBefore, Attempts and Done change as it is worked; they are what a checkpoint keeps.
type Lead struct {
	ID         string `json:"id"`
	CustomerID string `json:"customer_id"`
	Number     string `json:"-"` // E.164 in the clear, for the carrier
	ListID     string `json:"list_id"`
	Priority   int    `json:"priority"`
	NotBefore  int64  `json:"not_before"`
	Attempts   int    `json:"attempts"`
	Done       bool   `json:"done"`
	// Products of this lead, where they are not the campaign's; ExpiresAt (Unix ms, 0 = never) ends it; InboundNumber is
	// the number the customer had dialled (CLI-03).
	Products      []string `json:"products,omitempty"`
	ExpiresAt     int64    `json:"expires_at,omitempty"`
	InboundNumber string   `json:"inbound_number,omitempty"`

	seq    int
	inWork bool // given out by next and not put back yet
}

// ask names the customer to the permit desk by number only where there is no customer id.
func (l *Lead) ask() string {
	if l.CustomerID != "" {
		return ""
	}
	return l.Number
}

// Retry rules, in milliseconds (FEATURES: retry by disposition).
const (
	maxAttempts  = 8
	retryBusy    = 15 * 60_000
	retryNoReply = 2 * 3600_000
	retryMachine = 4 * 3600_000
	retryDenied  = 24 * 3600_000
)

// leadQueue gives the due lead of highest priority, then the one that has waited longest.
type leadQueue struct {
	ready   leadHeap
	waiting waitHeap
	seq     int
}

func (q *leadQueue) add(l *Lead) {
	if l.Done {
		return
	}
	q.seq++
	l.seq, l.inWork = q.seq, false
	heap.Push(&q.waiting, l)
}

func (q *leadQueue) next(now int64) *Lead {
	for len(q.waiting) > 0 && q.waiting[0].NotBefore <= now {
		heap.Push(&q.ready, heap.Pop(&q.waiting))
	}
	for len(q.ready) > 0 {
		l := heap.Pop(&q.ready).(*Lead)
		if l.Done || l.ExpiresAt > 0 && l.ExpiresAt <= now { // withdrawn or expired while it waited
			l.Done = true
			continue
		}
		l.inWork = true
		return l
	}
	return nil
}

// later puts a lead back unharmed: it was not dialled.
func (q *leadQueue) later(l *Lead, now int64) {
	l.NotBefore = now
	q.add(l)
}

// denied waits until the cap allows it, or gives the lead up when it never will.
func (q *leadQueue) denied(l *Lead, now int64, d *client.Decision) {
	if d.NextAllowedAt == nil {
		l.Done = true
		return
	}
	l.NotBefore = max(d.NextAllowedAt.UnixMilli(), now+60_000)
	q.add(l)
}

// called decides by what became of the call whether and when the lead is called again.
func (q *leadQueue) called(l *Lead, now int64, outcome, by, disposition string) {
	l.NotBefore = now + After(l, outcome, by, disposition)
	q.add(l)
}

// After counts an attempt on a lead and says how long it rests after it (milliseconds), or marks it done.
func After(l *Lead, outcome, by, disposition string) (wait int64) {
	l.Attempts++
	switch {
	case outcome == "invalid_number" || disposition == "agree" || disposition == "refuse" || l.Attempts >= maxAttempts:
		l.Done = true
		return 0
	case outcome == "busy" || outcome == "rejected":
		return retryBusy
	case by == "machine" || by == "fax":
		return retryMachine
	case disposition != "":
		return retryDenied
	}
	return retryNoReply
}

// InWork tells whether a lead is being called or has a permit out.
func InWork(l *Lead) bool { return l.inWork }

type leadHeap []*Lead

func (h leadHeap) Len() int { return len(h) }
func (h leadHeap) Less(i, j int) bool {
	if h[i].Priority != h[j].Priority {
		return h[i].Priority > h[j].Priority
	}
	return h[i].seq < h[j].seq
}
func (h leadHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *leadHeap) Push(x any)   { *h = append(*h, x.(*Lead)) }
func (h *leadHeap) Pop() any     { return pop((*[]*Lead)(h)) }

type waitHeap []*Lead

func (h waitHeap) Len() int { return len(h) }
func (h waitHeap) Less(i, j int) bool {
	if h[i].NotBefore != h[j].NotBefore {
		return h[i].NotBefore < h[j].NotBefore
	}
	return h[i].seq < h[j].seq
}
func (h waitHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *waitHeap) Push(x any)   { *h = append(*h, x.(*Lead)) }
func (h *waitHeap) Pop() any     { return pop((*[]*Lead)(h)) }

func pop(s *[]*Lead) *Lead {
	o := *s
	x := o[len(o)-1]
	*s = o[:len(o)-1]
	return x
}
