package sampling

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/ringfence/ringfence/event"
)

// Position is which of a block's size numbers (1..size) is drawn: block b, counted from 0, of an agent's day.
func Position(key []byte, agent, day string, block, size int64) int64 {
	m := hmac.New(sha256.New, key)
	_, _ = m.Write([]byte(agent + "|" + day + "|" + strconv.FormatInt(block, 10)))
	return 1 + int64(binary.BigEndian.Uint64(m.Sum(nil)[:8])%uint64(size))
}

// DayKey derives a day's key from the secret.
func DayKey(secret []byte, day string) []byte {
	m := hmac.New(sha256.New, secret)
	_, _ = m.Write([]byte("ringfence sampling day|" + day))
	return m.Sum(nil)
}

// Arrive tells whether number seq is drawn when it arrives. closedAt is how many there were when the day was closed (-1 =
// it is open): a block that had been cut short and drawn from draws no second time, one begun after the close draws its
// first number.
func Arrive(key []byte, agent, day string, seq, closedAt, oneIn int64) bool {
	block := (seq - 1) / oneIn
	first := block*oneIn + 1
	switch {
	case closedAt < 0:
		return seq == first-1+Position(key, agent, day, block, oneIn)
	case closedAt >= first:
		return false // cut short at the close: it has its draw
	}
	return seq == first
}

// Close gives the number drawn from a last block cut short at n, 0 if it was reached already or there is none.
func Close(key []byte, agent, day string, n, oneIn int64) int64 {
	m := n % oneIn
	if m == 0 {
		return 0
	}
	block := n / oneIn
	if Position(key, agent, day, block, oneIn) <= m {
		return 0
	}
	return block*oneIn + Position(key, agent, day, block, m)
}

// Valid tells whether a call has a recording QA can hear (SMP-01, decision a).
func Valid(c *event.Call) bool {
	if c.Direction == "inbound" || c.AnsweredAt == 0 || c.AgentId == "" || c.BridgedAt == 0 || c.EndedAt <= c.BridgedAt || c.Recording == nil {
		return false
	}
	r := c.Recording
	if r.SizeBytes != nil {
		return *r.SizeBytes > 44
	}
	return r.GetDurationMs() > 0
}

// Won tells whether a call closed a sale (METRICS: won). Recordings of such calls are the population where "valid" is read
// as that of a sale (SMP-01, decision b).
func Won(c *event.Call) bool { return len(c.Ordered) > 0 || c.Disposition == "agree" }
