package stream

import (
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// conns are the open connections of a client. To end it does not wait for an answer that may not come: a member that
// leaves the group while it is joining is not always told so, and its client would wait for a minute and more.
type conns struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

var (
	_ kgo.HookBrokerConnect    = (*conns)(nil)
	_ kgo.HookBrokerDisconnect = (*conns)(nil)
)

// OnBrokerConnect notes a connection.
func (c *conns) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, conn net.Conn, err error) {
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[net.Conn]struct{}{}
	}
	c.open[conn] = struct{}{}
}

// OnBrokerDisconnect forgets one.
func (c *conns) OnBrokerDisconnect(_ kgo.BrokerMetadata, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// cut closes them all.
func (c *conns) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}
