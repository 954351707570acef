// Package apptest runs a whole system inside a test.
package apptest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/embedded"
)

// Broker starts the embedded broker under dir, until the test ends, and gives its addresses.
func Broker(t testing.TB, dir string) []string {
	t.Helper()
	k, err := embedded.StartKafka(embedded.KafkaOptions{Dir: filepath.Join(dir, "kafka")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k.Addrs()
}

// On is the configuration that uses a broker of Broker's.
func On(brokers []string) []string {
	return []string{"kafka.replication=1", "kafka.brokers=[" + strings.Join(brokers, ",") + "]"}
}

// Run starts a system with this configuration (key=value) on a free port and ends it with the test, which fails if a part
// of the system gave up. o.Config is made from sets.
func Run(t testing.TB, o app.Options, sets ...string) *app.App {
	t.Helper()
	cfg, err := config.Load("", append([]string{"http.listen=127.0.0.1:0"}, sets...), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	o.Config = cfg
	a, err := app.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return a
}
