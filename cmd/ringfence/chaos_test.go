package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ringfence/ringfence/client"
)

var (
	chaosFor       = flag.Duration("chaos.for", 20*time.Second, "how long clients ask while the process is killed")
	chaosCustomers = flag.Int("chaos.customers", 100, "customers they ask for")
)

const chaosCap = 6

const chaosPolicy = `policy: chaos
version: 1
time_zone: Asia/Shanghai
rules:
  - {id: SIX, limit: 6, count: call, in: {rolling: 12mo}}
  - {id: OUT, list: optout}
`

// chaosOp is what a client did and was answered, for the linearizability check.
type chaosOp struct {
	kind    string // ask, release, optout
	permit  bool   // of ask
	unknown bool   // no answer came: it may have happened at any time since, or never
}

// chaosState is a customer as the caps see him.
type chaosState struct {
	used int
	out  bool
}

// chaosModel is one customer: whatever the processes and crashes, his requests are answered as if one after another.
var chaosModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{chaosState{}} },
	Step: func(state, input, _ any) []any {
		s, op := state.(chaosState), input.(chaosOp)
		free := s.used < chaosCap && !s.out
		taken := chaosState{s.used + 1, s.out}
		switch {
		case op.kind == "ask" && op.unknown && free:
			return []any{s, taken}
		case op.kind == "ask" && op.unknown:
			return []any{s}
		case op.kind == "ask" && op.permit != free:
			return nil
		case op.kind == "ask" && op.permit:
			return []any{taken}
		case op.kind == "ask":
			return []any{s}
		case op.kind == "release":
			after := chaosState{s.used - 1, s.out}
			if op.unknown {
				return []any{s, after}
			}
			return []any{after}
		}
		after := chaosState{s.used, true}
		if op.unknown {
			return []any{s, after}
		}
		return []any{after}
	},
	Equal: func(a, b any) bool { return a == b },
}

// chaos is the run: its clients, and what was acknowledged to them.
type chaos struct {
	mu        sync.Mutex
	ops       map[string][]porcupine.Operation
	calls     map[string]bool // acknowledged
	permitted map[string]int
	released  map[string]int
	asked     atomic.Int64
	unknown   atomic.Int64
}

func (c *chaos) note(customer string, id int, op chaosOp, began time.Time) {
	o := porcupine.Operation{ClientId: id, Input: op, Output: op, Call: began.UnixNano(), Return: time.Now().UnixNano()}
	if op.unknown {
		c.unknown.Add(1)
		o.Return = time.Now().Add(time.Hour).UnixNano()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops[customer] = append(c.ops[customer], o)
}

// client asks, dials, releases and hears opt-outs until ctx ends.
func (c *chaos) client(ctx context.Context, cl *client.Client, id int, rnd *rand.Rand) error {
	for n := 0; ctx.Err() == nil; n++ {
		customer := fmt.Sprint("K", rnd.IntN(*chaosCustomers))
		request := fmt.Sprintf("r%d-%d", id, n)
		began := time.Now()
		// A request under way is finished: its answer is needed.
		d, err := cl.AskPermit(context.WithoutCancel(ctx), client.PermitRequest{RequestID: request, CustomerID: customer, Purpose: "sales"})
		c.asked.Add(1)
		if err != nil {
			c.note(customer, id, chaosOp{kind: "ask", unknown: true}, began)
			var refused *client.Error
			if errors.As(err, &refused) && refused.Status < 500 && refused.Status != 429 {
				return fmt.Errorf("ask: %w", err)
			}
			continue
		}
		c.note(customer, id, chaosOp{kind: "ask", permit: d.Permitted()}, began)
		if !d.Permitted() {
			continue
		}
		// An answer that was lost and given again may be that of a permit which has run out meanwhile: it is not dialled any more.
		now := time.Now()
		dial := now.Before(d.ExpiresAt)
		c.mu.Lock()
		c.permitted[customer]++
		c.mu.Unlock()
		switch what := rnd.IntN(10); {
		case what < 5: // given back
			began = time.Now()
			err := cl.ReleasePermit(context.WithoutCancel(ctx), d.PermitID)
			c.note(customer, id, chaosOp{kind: "release", unknown: err != nil}, began)
			if err == nil {
				c.mu.Lock()
				c.released[customer]++
				c.mu.Unlock()
			}
		case what < 9 && dial: // now and then he wants no more calls
			call := request
			body := map[string]any{"call_id": call, "customer_id": customer, "purpose": "sales", "permit_id": d.PermitID, "started_at": client.Time(now.UnixMilli()),
				"ended_at": client.Time(now.UnixMilli()), "outcome": "no_answer"}
			out := rnd.IntN(40) == 0
			if out {
				body["opt_out"], body["outcome"], body["answered_at"], body["answered_by"] = true, "answered", client.Time(now.UnixMilli()), "human"
			}
			_, err := cl.Send(context.WithoutCancel(ctx), "calls", body)
			if out {
				c.note(customer, id, chaosOp{kind: "optout", unknown: err != nil}, now)
			}
			if err == nil {
				c.mu.Lock()
				c.calls[call] = true
				c.mu.Unlock()
			}
		}
	}
	return nil
}

func newChaos() *chaos {
	return &chaos{ops: map[string][]porcupine.Operation{}, calls: map[string]bool{}, permitted: map[string]int{}, released: map[string]int{}}
}

// clients lets 16 clients work until ctx ends, spread over the addresses; the returned function waits for them.
func (c *chaos) clients(ctx context.Context, t *testing.T, urls ...string) (wait func()) {
	var wg sync.WaitGroup
	for id := range 16 {
		rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(id)))
		wg.Go(func() {
			if err := c.client(ctx, &client.Client{Base: urls[id%len(urls)], Retry: 2 * time.Minute}, id, rnd); err != nil {
				t.Error(err)
			}
		})
	}
	return wg.Wait
}

// nowAndThen calls do until ctx ends, and counts.
func nowAndThen(ctx context.Context, atLeast, atMost time.Duration, do func(i int)) int {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 99))
	for n := 0; ; n++ {
		wait := time.NewTimer(atLeast + time.Duration(r.Int64N(int64(atMost-atLeast))))
		select {
		case <-ctx.Done():
			wait.Stop()
			return n
		case <-wait.C:
			do(n)
		}
	}
}

// verify checks everything that was acknowledged against what a running process knows.
func (c *chaos) verify(t *testing.T, url string, kills int) {
	t.Helper()
	over := 0
	for k, n := range c.permitted {
		if n-c.released[k] > chaosCap {
			over++
			t.Errorf("%s: %d permits, %d given back: more than %d", k, n, c.released[k], chaosCap)
		}
	}
	in := map[string]bool{}
	ask(t, 0, "kpi", "calls_made", "--wait", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--url", url)
	for _, id := range strings.Fields(ask(t, 0, "sql", "SELECT call_id FROM calls_current", "--format", "TSV", "--url", url)) {
		in[id] = true
	}
	lost := 0
	for id := range c.calls {
		if !in[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged calls are lost", lost, len(c.calls))
	}
	if got := ask(t, 0, "sql", "SELECT call_id, customer_hash, started_at, permit_id, violations FROM calls_current WHERE notEmpty(violations)", "--format", "TSV", "--url", url); got != "" {
		t.Errorf("calls with a permit broke a cap:\n%s", got)
	}
	checked, undecided := 0, 0
	for k, ops := range c.ops {
		switch porcupine.CheckOperationsTimeout(chaosModel.ToModel(), ops, 20*time.Second) {
		case porcupine.Illegal:
			t.Errorf("%s: no order of his %d requests explains their answers", k, len(ops))
		case porcupine.Unknown:
			undecided++
		default:
			checked++
		}
	}
	ask(t, 0, "caps", "audit", "--url", url)
	t.Logf("%d kills, %d requests, %d without an answer, %d calls acknowledged, %d lost, %d customers over the cap, %d histories linearizable, %d too long to say",
		kills, c.asked.Load(), c.unknown.Load(), len(c.calls), lost, over, checked, undecided)
}

// freeAddr is a loopback address nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func chaosPolicyFile(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "chaos.yaml")
	if err := os.WriteFile(file, []byte(chaosPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestChaos: clients ask for the same few customers at once while the process is killed every few seconds. No cap is
// exceeded, nothing acknowledged is lost, and every customer's history is linearizable. `make chaos` takes ten minutes.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir, addr := t.TempDir(), freeAddr(t)
	args := []string{"--set", "policy=" + chaosPolicyFile(t, dir), "--set", "http.listen=" + addr}
	p, url := up(t, dir, args...)
	c := newChaos()
	ctx, cancel := context.WithTimeout(t.Context(), *chaosFor)
	defer cancel()
	wait := c.clients(ctx, t, url)
	kills := nowAndThen(ctx, 1500*time.Millisecond, 4500*time.Millisecond, func(int) {
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.done
		p, _ = up(t, dir, args...)
	})
	wait()
	c.verify(t, url, kills)
}
