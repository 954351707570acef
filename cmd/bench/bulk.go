package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/ingest/importer"
	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/internal/number"
)

// bulk measures permits asked over HTTP while a bulk import runs as fast as it is let, beside the same without it.
func (b *bench) bulk(ctx context.Context) error {
	br, err := b.broker(ctx, "bulk")
	if err != nil {
		return err
	}
	defer func() { _ = br.clear(ctx); br.close() }()
	rctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 2)
	r, err := b.processor(br, filepath.Join(b.dir, "bulk-state"))
	if err != nil {
		return err
	}
	go func() { done <- r.Run(rctx) }()
	cfg := config.Default()
	cfg.Kafka.Partitions = partitions
	key, err := number.NewKey(make([]byte, 32))
	if err != nil {
		return err
	}
	api, err := httpapi.New(ctx, httpapi.Deps{Base: br.base(), Config: cfg, Key: key})
	if err != nil {
		return err
	}
	go func() { done <- api.Run(rctx) }()
	hc := &http.Client{Transport: client.InProcess(api.Handler())}
	c := &client.Client{Base: "http://bench", HTTP: hc, Retry: 30 * time.Second}
	const perSecond = 1000
	if _, err := askHTTP(ctx, c, perSecond, 2*perSecond, "warm"); err != nil {
		return err
	}
	alone, err := askHTTP(ctx, c, perSecond, 6*perSecond, "alone")
	if err != nil {
		return err
	}
	ictx, cut := context.WithCancel(ctx)
	defer cut()
	var rows atomic.Int64
	imported := make(chan error, 1)
	began := time.Now()
	go func() { imported <- importCalls(ictx, &importer.HTTP{Base: "http://bench", Client: hc}, &rows) }()
	beside, err := askHTTP(ctx, c, perSecond, 6*perSecond, "beside")
	speed := float64(rows.Load()) / time.Since(began).Seconds()
	cut()
	if ierr := <-imported; err == nil && !errors.Is(ierr, context.Canceled) {
		err = ierr
	}
	if err != nil {
		return err
	}
	stop()
	if err := errors.Join(<-done, <-done); err != nil {
		return err
	}
	b.say("permits over HTTP, alone: %s; beside an import of %s: %s", quantiles(alone), rate(speed, "rows"), quantiles(beside))
	b.add(line{"permits beside a bulk import of " + rate(speed, "rows"), quantiles(beside), "without it " + quantiles(alone),
		fmt.Sprintf("p99 %.2f", float64(at(beside, .99))/float64(at(alone, .99))), "p99 <= 2.00"})
	return nil
}

// importCalls delivers batch after batch as the importer does.
func importCalls(ctx context.Context, to *importer.HTTP, rows *atomic.Int64) error {
	start := time.Now().Add(-200 * 24 * time.Hour).Truncate(time.Second)
	for n := 0; ; n++ {
		lines := make([][]byte, 500)
		for i := range lines {
			k := n*len(lines) + i
			at := start.Add(time.Duration(k) * time.Second)
			l, err := json.Marshal(map[string]any{"call_id": "import-" + strconv.Itoa(k), "customer_id": "imported-" + strconv.Itoa(k*7919%200_000), "purpose": "care", "campaign_id": "c1",
				"agent_id": "agent-" + strconv.Itoa(k%40), "started_at": at.Format(time.RFC3339), "ended_at": at.Add(30 * time.Second).Format(time.RFC3339), "outcome": "no_answer"})
			if err != nil {
				return err
			}
			lines[i] = l
		}
		refused, err := to.Send(ctx, "calls", lines, false)
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			return fmt.Errorf("a row was refused: %s", refused[0])
		}
		rows.Add(int64(len(lines)))
	}
}

// askHTTP asks n permits at a rate, whether the earlier ones are answered or not.
func askHTTP(ctx context.Context, c *client.Client, perSecond, n int, round string) ([]time.Duration, error) {
	took, errs := make([]time.Duration, n), make([]error, n)
	var wg sync.WaitGroup
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; i < n; {
		for due := int(time.Since(began).Seconds() * float64(perSecond)); i < min(due, n); i++ {
			k := i
			wg.Go(func() {
				sent := time.Now()
				id := round + strconv.Itoa(k)
				_, errs[k] = c.AskPermit(ctx, client.PermitRequest{RequestID: id, CustomerID: "customer-" + id, Purpose: "care", CallerID: "10010"})
				took[k] = time.Since(sent)
			})
		}
		<-tick.C
	}
	wg.Wait()
	slices.Sort(took)
	return took, errors.Join(errs...)
}
