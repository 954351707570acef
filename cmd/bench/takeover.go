package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/permits"
)

// childMark makes a copy of this binary the second decider; its value is a deciderSpec.
const childMark = "RINGFENCE_BENCH_DECIDER"

type deciderSpec struct {
	Brokers []string
	Dir     string
}

// maybeDecide turns this process into a decider if it was started for that.
func maybeDecide() {
	spec, ok := os.LookupEnv(childMark)
	if !ok {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var s deciderSpec
	err := json.Unmarshal([]byte(spec), &s)
	if err == nil {
		b := &bench{}
		r, rerr := b.processor(&broker{addrs: s.Brokers}, s.Dir)
		if err = rerr; err == nil {
			err = r.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "decider:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// takeover: two processes share the partitions; one is killed. How long until all of its customers get decisions again?
func (b *bench) takeover(ctx context.Context) error {
	br, err := b.broker(ctx, "takeover")
	if err != nil {
		return err
	}
	defer func() { _ = br.clear(ctx); br.close() }()
	rctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 2)
	r, err := b.processor(br, filepath.Join(b.dir, "takeover-a"))
	if err != nil {
		return err
	}
	go func() { done <- r.Run(rctx) }()
	producer, err := kgo.NewClient(append(br.base(), kgo.ProducerLinger(0))...)
	if err != nil {
		return err
	}
	defer producer.Close()
	g, err := permits.New(ctx, permits.Options{Base: br.base(), Producer: producer, Partitions: partitions, Timeout: 60 * time.Second})
	if err != nil {
		return err
	}
	go func() { done <- g.Run(rctx) }()
	var took []time.Duration
	for round := range 3 {
		d, err := b.takeOver(ctx, br, g, round, func() int { return len(r.Status().Partitions) })
		if err != nil {
			return err
		}
		took = append(took, d)
		b.say("killed a decider: its customers got decisions again after %s", d.Round(time.Millisecond))
	}
	stop()
	if err := errors.Join(<-done, <-done); err != nil {
		return err
	}
	worst := max(took[0], took[1], took[2])
	b.add(line{"a killed process's partitions decide again", fmt.Sprintf("%.1f s at worst of 3", worst.Seconds()), "", "", "<= 5 s"})
	return nil
}

func (b *bench) takeOver(ctx context.Context, br *broker, g *permits.Gateway, round int, own func() int) (time.Duration, error) {
	spec, err := json.Marshal(deciderSpec{br.addrs, filepath.Join(b.dir, "takeover-b")})
	if err != nil {
		return 0, err
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	child := exec.CommandContext(ctx, exe)
	child.Env = append(os.Environ(), childMark+"="+string(spec))
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		return 0, err
	}
	killed := false
	defer func() {
		if !killed {
			_ = child.Process.Kill()
			_ = child.Wait()
		}
	}()
	for own() != partitions/2 { // they share
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if _, err := askAll(ctx, g, fmt.Sprint("before", round)); err != nil { // both decide
		return 0, err
	}
	if err := child.Process.Kill(); err != nil {
		return 0, err
	}
	_ = child.Wait() // killed: an error by intention
	killed = true
	return askAll(ctx, g, fmt.Sprint("after", round))
}

// askAll asks for customers of every partition and tells how long the last answer took.
func askAll(ctx context.Context, g *permits.Gateway, round string) (time.Duration, error) {
	began := time.Now()
	const n = 64
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ms := time.Now().UnixMilli()
			id := round + "-" + strconv.Itoa(i)
			_, errs[i] = g.Ask(ctx, &event.CustomerEvent{EventId: id, CustomerId: "customer-" + id, ReceivedAt: ms, Source: "api", Body: &event.CustomerEvent_PermitRequest{
				PermitRequest: &event.PermitRequest{RequestId: id, Purpose: "care", CallerId: "10010", Recording: true, At: ms, TtlMs: 60_000}}})
		})
	}
	wg.Wait()
	return time.Since(began), errors.Join(errs...)
}
