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

	seq int
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
	l.seq = q.seq
	heap.Push(&q.waiting, l)
}

func (q *leadQueue) next(now int64) *Lead {
	for len(q.waiting) > 0 && q.waiting[0].NotBefore <= now {
		heap.Push(&q.ready, heap.Pop(&q.waiting))
	}
	if len(q.ready) == 0 {
		return nil
	}
	return heap.Pop(&q.ready).(*Lead)
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
	l.Attempts++
	wait := int64(retryNoReply)
	switch {
	case outcome == "invalid_number" || disposition == "agree" || disposition == "refuse" || l.Attempts >= maxAttempts:
		l.Done = true
		return
	case outcome == "busy" || outcome == "rejected":
		wait = retryBusy
	case by == "machine" || by == "fax":
		wait = retryMachine
	case disposition != "":
		wait = retryDenied
	}
	l.NotBefore = now + wait
	q.add(l)
}

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
