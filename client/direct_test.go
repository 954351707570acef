package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/kafka"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// A dialer asks over Kafka: it is permitted up to the cap, denied then, gets the same answer to the same request, and may give
// permits back. With nobody to decide there is no decision, and nothing is reserved by it.
func TestDirect(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	base := []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)}
	cl, err := kgo.NewClient(base...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := kafka.EnsureTopics(t.Context(), cl, 4, 1); err != nil {
		t.Fatal(err)
	}
	d, err := client.NewDirect(t.Context(), client.DirectOptions{Kafka: base, Timeout: 300 * time.Millisecond, DialerID: "d1"})
	if err != nil {
		t.Fatal(err)
	}
	slow, err := client.NewDirect(t.Context(), client.DirectOptions{Kafka: base, Timeout: time.Minute, DialerID: "d1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 3)
	go func() { done <- d.Run(ctx) }()
	go func() { done <- slow.Run(ctx) }()
	defer func() {
		cancel()
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}()
	ask := func(d *client.Direct, id string) (*client.Decision, error) {
		return d.AskPermit(t.Context(), client.PermitRequest{RequestID: id, CustomerID: "k", Purpose: "sales"})
	}
	if _, err := ask(d, "nobody decides"); !errors.Is(err, client.ErrNoDecision) {
		t.Errorf("nobody decides, and the answer is %v", err)
	}
	p, err := policy.Parse("p.yaml", []byte("policy: six\nrules:\n  - {id: CAP-01, limit: 6, count: call, in: {rolling: 12mo}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.New(contactcap.New(contactcap.Options{Policy: func() *policy.Policy { return p }, OrphanAfter: time.Hour, CustomerHash: func(s string) string { return s }}),
		stream.Config{Kafka: base, DataDir: t.TempDir(), Session: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- r.Run(ctx) }()
	var first *client.Decision
	for i := range 6 {
		x, err := ask(slow, fmt.Sprint("r", i))
		if err != nil || !x.Permitted() || x.ExpiresAt.Sub(x.At) != time.Minute {
			t.Fatalf("%d: %+v, %v", i, x, err)
		}
		if first == nil {
			first = x
		}
	}
	x, err := ask(slow, "seventh") // the one that nobody decided in time took no slot
	if err != nil || x.Permitted() || len(x.DeniedBy) != 1 || *x.DeniedBy[0].Used != 6 || x.NextAllowedAt == nil {
		t.Errorf("%+v, %v", x, err)
	}
	if again, err := ask(slow, "r0"); err != nil || again.PermitID != first.PermitID {
		t.Errorf("%+v, %v", again, err)
	}
	if err := slow.ReleasePermit(t.Context(), first.PermitID); err != nil {
		t.Error(err)
	}
	var refused *client.Error
	if err := slow.ReleasePermit(t.Context(), "x"); !errors.As(err, &refused) || refused.Status != 404 {
		t.Error(err)
	}
	if x, err := ask(slow, "eighth"); err != nil || !x.Permitted() {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := slow.AskPermit(t.Context(), client.PermitRequest{RequestID: "x", Number: "+8613800000000", Purpose: "sales"}); err == nil {
		t.Error("a number was taken")
	}
}
