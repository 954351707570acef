package stream

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lossy is a connection that loses the answers to some requests: the broker has done what was asked, and then the
// connection breaks.
type lossy struct {
	net.Conn
	lose func(kmsg.Key) bool
	hits *atomic.Int64
	mu   sync.Mutex
	lost map[uint32]bool // by correlation ID
	buf  []byte
}

func (c *lossy) Write(b []byte) (int, error) { // one request
	if len(b) >= 12 && c.lose(kmsg.Key(binary.BigEndian.Uint16(b[4:]))) {
		c.mu.Lock()
		c.lost[binary.BigEndian.Uint32(b[8:])] = true
		c.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *lossy) Read(b []byte) (int, error) {
	if len(c.buf) == 0 {
		var size [4]byte
		if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
			return 0, err
		}
		c.buf = append(size[:], make([]byte, binary.BigEndian.Uint32(size[:]))...)
		if _, err := io.ReadFull(c.Conn, c.buf[4:]); err != nil {
			return 0, err
		}
		c.mu.Lock()
		lost := c.lost[binary.BigEndian.Uint32(c.buf[4:])]
		c.mu.Unlock()
		if lost {
			c.hits.Add(1)
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(b, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

// The broker does what it was asked, commits included, and the answer is lost.
func TestAnswersLost(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.Produce, kmsg.JoinGroup, kmsg.Heartbeat, kmsg.InitProducerID} {
		t.Run(key.Name(), func(t *testing.T) {
			b, o := newBroker(t, 2), newOracle()
			var n, hits atomic.Int64
			cfg := b.config(t.TempDir(), "a")
			cfg.MaxPoll = 100
			cfg.Kafka = append(cfg.Kafka, kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, host)
				if err != nil {
					return nil, err
				}
				return &lossy{Conn: conn, hits: &hits, lost: map[uint32]bool{}, lose: func(k kmsg.Key) bool {
					return k == key && n.Add(1)%4 == 1
				}}, nil
			}))
			start(t, tallyDef("answers"), cfg)
			for range 6 {
				b.feed(o, 400, 31)
			}
			b.check(o)
			if hits.Load() == 0 {
				t.Error("no answer was lost")
			}
		})
	}
}
