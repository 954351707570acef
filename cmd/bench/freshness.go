package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/config"
)

// goalFresh is how soon a quiet centre sees its call.
const goalFresh = 2 * time.Second

// freshness measures how long after its end a call is counted by `ringfence kpi`: a whole process on the embedded stack, calls
// reported the moment they end, the question asked again and again. The n-th call is visible when an answer counts n.
func (b *bench) freshness(ctx context.Context) error {
	for _, c := range []struct{ perSecond, seconds int }{{10, 30}, {5000, 15}} {
		took, err := b.fresh(ctx, c.perSecond, c.seconds)
		if err != nil {
			return fmt.Errorf("%d calls a second: %w", c.perSecond, err)
		}
		goal := ""
		if c.perSecond == 10 {
			goal = fmt.Sprintf("p99 <= %s", goalFresh)
		}
		b.add(line{fmt.Sprintf("a call's end until `ringfence kpi` counts it, %d calls/s, embedded", c.perSecond), quantiles(took), "", "", goal})
	}
	return nil
}

func (b *bench) fresh(ctx context.Context, perSecond, seconds int) ([]time.Duration, error) {
	dir := filepath.Join(b.dir, fmt.Sprint("freshness-", perSecond))
	cfg, err := config.Load("", []string{"data_dir=" + dir, "http.listen=127.0.0.1:0", "roles=[api, contactcap, sampling, agenttime, complaint, campaign, sink]"}, os.Getenv)
	if err != nil {
		return nil, err
	}
	a, err := app.Start(ctx, app.Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return nil, err
	}
	rctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(rctx) }()
	took, err := b.see(ctx, &client.Client{Base: a.URL(), Retry: 30 * time.Second}, perSecond, perSecond*seconds)
	stop()
	return took, errors.Join(err, <-done)
}

// see reports n calls at a rate and watches them being counted; the first second's calls warm everything up.
func (b *bench) see(ctx context.Context, c *client.Client, perSecond, n int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	counted := func() (int, error) {
		var out []struct {
			Rows []struct {
				Value float64 `json:"value"`
			} `json:"rows"`
		}
		now := time.Now()
		q := url.Values{"metric": {"calls_made"}, "from": {client.Time(now.Add(-time.Hour).UnixMilli())}, "to": {client.Time(now.Add(time.Hour).UnixMilli())}}
		if err := c.Get(ctx, "/v1/kpi", q, &out); err != nil {
			return 0, err
		}
		return int(out[0].Rows[0].Value), nil
	}
	// A batch a tenth of a second at the higher rate, a call each at the lower one.
	batch := max(1, perSecond/10)
	ended, errs := make([]time.Time, n), make(chan error, n/batch+1)
	var wg sync.WaitGroup
	go func() {
		tick := time.NewTicker(time.Second * time.Duration(batch) / time.Duration(perSecond))
		defer tick.Stop()
		for i := 0; i < n; i += batch {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := time.Now()
			var calls []any
			for k := i; k < min(i+batch, n); k++ {
				ended[k] = now
				calls = append(calls, map[string]any{"call_id": fmt.Sprint("fresh-", k), "customer_id": fmt.Sprint("C", k), "purpose": "care", "campaign_id": fmt.Sprint("c", k%20), "agent_id": fmt.Sprint("a", k%200),
					"started_at": client.Time(now.Add(-30 * time.Second).UnixMilli()), "ended_at": client.Time(now.UnixMilli()), "outcome": "no_answer"})
			}
			wg.Go(func() {
				if res, err := c.Send(ctx, "calls", calls...); err != nil {
					errs <- err
				} else if len(res.Rejected) > 0 {
					errs <- fmt.Errorf("a call was refused: %+v", res.Rejected[0])
				}
			})
		}
	}()
	took := make([]time.Duration, 0, n)
	for seen := 0; seen < n; {
		select {
		case err := <-errs:
			return nil, err
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d calls were counted: %w", seen, n, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
		now, err := counted()
		if err != nil {
			return nil, err
		}
		for at := time.Now(); seen < min(now, n); seen++ {
			if seen >= perSecond { // the calls before warmed everything up
				took = append(took, at.Sub(ended[seen]))
			}
		}
	}
	wg.Wait()
	slices.Sort(took)
	return took, nil
}
