package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/app/apptest"
	"github.com/ringfence/ringfence/internal/embedded"
)

func TestMain(m *testing.M) {
	embedded.MaybeRunChild()
	if sets := os.Getenv(asServer); sets != "" {
		if err := serve(sets); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// centre is a running system with some calls in it.
func centre(t *testing.T) *app.App {
	t.Helper()
	a := apptest.Run(t, app.Options{}, "data_dir="+t.TempDir(), "kafka.partitions=2")
	now := time.Now()
	var calls []any
	for i := range 90 {
		at := now.Add(-time.Duration(5+i*40) * time.Minute)
		c := map[string]any{"call_id": fmt.Sprint("c", i), "customer_id": fmt.Sprint("C", i), "purpose": "sales", "campaign_id": fmt.Sprint("campaign-", i%3), "started_at": client.Time(at.UnixMilli()),
			"ended_at": client.Time(at.UnixMilli() + 60_000), "outcome": "no_answer"}
		if i%2 == 0 {
			c["outcome"], c["answered_by"], c["agent_id"], c["team_id"] = "answered", "human", fmt.Sprint("agent-", i%5), "team-1"
			c["answered_at"], c["bridged_at"] = client.Time(at.UnixMilli()+5000), client.Time(at.UnixMilli()+6000)
		}
		calls = append(calls, c)
	}
	cl := &client.Client{Base: a.URL(), Retry: 30 * time.Second}
	if _, err := cl.Send(t.Context(), "calls", calls...); err != nil {
		t.Fatal(err)
	}
	if err := a.Counted(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// The overview in a real browser, wide and narrow, light and dark: it shows the figures, says nothing on the console,
// does not scroll sideways, and axe finds nothing to mend.
func TestOverview(t *testing.T) {
	browser, axe := chromium(t), axeScript(t)
	a := centre(t)
	for i, scheme := range []string{"dark", "light"} {
		alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox,
			chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("blink-settings", fmt.Sprint("preferredColorScheme=", i)))...)
		t.Cleanup(stop)
		for _, width := range []int64{1440, 390} {
			t.Run(fmt.Sprint(width, " ", scheme), func(t *testing.T) {
				ctx, cancel := chromedp.NewContext(alloc)
				defer cancel()
				ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
				defer cancel()
				var calls, found string
				var sideways, dark bool
				var problems []string
				err := chromedp.Run(ctx,
					chromedp.EmulateViewport(width, 1400),
					chromedp.Navigate(a.URL()+"/?from=now-7d&refresh=10"),
					chromedp.Poll(`document.querySelector(".panel.stat .value")?.textContent === "90"`, nil, chromedp.WithPollingTimeout(30*time.Second)),
					chromedp.WaitVisible(`.panel.stat .value`, chromedp.ByQuery),
					chromedp.WaitVisible(`.panel.breakdown tbody tr`, chromedp.ByQuery),
					chromedp.WaitVisible(`.panel.trend canvas`, chromedp.ByQuery),
					chromedp.Text(`.panel.stat .value`, &calls, chromedp.ByQuery),
					chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &sideways),
					chromedp.Evaluate(`matchMedia("(prefers-color-scheme: dark)").matches`, &dark),
					chromedp.Evaluate(axe, nil),
					chromedp.Evaluate(`axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(" | "))))`, &found,
						chromedp.EvalAsValue, awaitPromise),
				)
				if err != nil {
					t.Fatal(err)
				}
				if calls != "90" {
					t.Errorf("calls made: %q, want 90", calls)
				}
				if dark != (scheme == "dark") {
					t.Errorf("the browser is not %s", scheme)
				}
				if sideways {
					t.Error("the page scrolls sideways")
				}
				if err := json.Unmarshal([]byte(found), &problems); err != nil || len(problems) > 0 {
					t.Errorf("accessibility: %v\n%s", err, strings.Join(problems, "\n"))
				}
			})
		}
	}
}
