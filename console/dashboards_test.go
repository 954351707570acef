package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/ringfence/ringfence/dashboards"
)

// tab opens a page of a browser and collects what its scripts throw or complain of.
type tab struct {
	context.Context
	mu     sync.Mutex
	thrown []string
}

func newBrowser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("needs Chromium (Debian: apt install chromium)")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(time.Minute))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(opts, flags...)...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

func newTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(stop)
	p := &tab{Context: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch x := e.(type) {
		case *runtime.EventExceptionThrown:
			p.thrown = append(p.thrown, x.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if x.Type == runtime.APITypeError || x.Type == runtime.APITypeWarning {
				p.thrown = append(p.thrown, fmt.Sprint(x.Type, x.Args))
			}
		}
	})
	return p
}

func (p *tab) run(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(p, actions...); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.thrown) > 0 {
		t.Fatalf("the page's scripts: %s", strings.Join(p.thrown, "\n"))
	}
}

func (p *tab) axe(t *testing.T, axe string) {
	t.Helper()
	var found string
	var problems []string
	p.run(t, chromedp.Evaluate(axe, nil), chromedp.Evaluate(`axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(" | "))))`, &found, chromedp.EvalAsValue, awaitPromise))
	if err := json.Unmarshal([]byte(found), &problems); err != nil || len(problems) > 0 {
		t.Errorf("accessibility: %v\n%s", err, strings.Join(problems, "\n"))
	}
}

// drawn waits until the page has drawn everything at least once.
var drawn = chromedp.WaitReady(`body[data-drawn]`, chromedp.ByQuery)

// Every dashboard in a browser, dark and light, in both languages: each panel shows something or says that there is
// nothing, no script complains, nothing scrolls sideways on a telephone, and axe finds nothing to mend.
func TestDashboards(t *testing.T) {
	axe, err := os.ReadFile("assets/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is not there: run make console-assets (%v)", err)
	}
	a := centre(t)
	for i, look := range []string{"dark in English", "light in Chinese"} {
		browser := newBrowser(t, chromedp.Flag("blink-settings", fmt.Sprint("preferredColorScheme=", i)), chromedp.Flag("accept-lang", []string{"en-US", "zh-CN"}[i]))
		lang := dashboards.Langs()[i]
		for _, d := range dashboards.All() {
			few := d.Slug() == "overview" || d.Slug() == "complaints" || d.Slug() == "calls"
			if !few && i > 0 {
				continue // the look is one style sheet: the others are looked at once
			}
			t.Run(d.Slug()+" "+look, func(t *testing.T) {
				p := newTab(t, browser)
				var title string
				var paint float64
				var unfinished, wrong []string
				var sideways bool
				p.run(t, chromedp.EmulateViewport(1440, 1200), chromedp.Navigate(a.URL()+"/console/dashboards/"+d.Slug()+"?from=now-7d&refresh=0"), drawn,
					chromedp.Text("h1", &title, chromedp.ByQuery),
					chromedp.Evaluate(`performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0`, &paint),
					chromedp.Evaluate(`[...document.querySelectorAll(".panel")].filter(p => p.querySelector(".body").textContent.trim() === "…").map(p => p.querySelector("h3").textContent)`, &unfinished),
					chromedp.Evaluate(`[...document.querySelectorAll(".panel .empty")].map(e => e.textContent).filter(s => /not answer|expected|undefined|NaN/.test(s))`, &wrong))
				if title != d.Title.In(lang) {
					t.Errorf("title %q, want %q", title, d.Title.In(lang))
				}
				if len(unfinished)+len(wrong) > 0 {
					t.Errorf("panels without an answer: %v %v", unfinished, wrong)
				}
				t.Logf("first paint after %.0f ms", paint)
				p.axe(t, string(axe))
				if few {
					p.run(t, chromedp.EmulateViewport(390, 844), chromedp.Reload(), drawn, chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &sideways))
					if sideways {
						t.Error("the page scrolls sideways on a telephone")
					}
					p.axe(t, string(axe))
				}
			})
		}
	}
}

// A reader narrows a dashboard to a campaign, follows its bar to the calls behind it, and finds them masked; what he
// chose is in the address and survives going back and reloading.
func TestDrillDown(t *testing.T) {
	a := centre(t)
	p := newTab(t, newBrowser(t))
	const made = `document.querySelector(".panel.stat .value")?.textContent`
	redrawn := func(want string) chromedp.Action {
		return chromedp.Poll(made+` === "`+want+`"`, nil, chromedp.WithPollingTimeout(30*time.Second))
	}
	var address, number string
	var rows int
	p.run(t, chromedp.EmulateViewport(1440, 1200), chromedp.Navigate(a.URL()+"/?from=now-7d&refresh=0"), redrawn("90"),
		chromedp.WaitReady(`[data-variable=campaign] input[value=campaign-1]`, chromedp.ByQuery),
		chromedp.Click(`[data-variable=campaign] summary`, chromedp.ByQuery),
		chromedp.Click(`[data-variable=campaign] input[value=campaign-1]`, chromedp.ByQuery), redrawn("30"),
		chromedp.Click(`[data-variable=campaign] input[value=campaign-2]`, chromedp.ByQuery), redrawn("60"),
		chromedp.Location(&address))
	if !strings.Contains(address, "campaign=campaign-1") || !strings.Contains(address, "campaign=campaign-2") || !strings.Contains(address, "from=now-7d") {
		t.Errorf("the address forgets what was chosen: %s", address)
	}
	p.run(t, chromedp.Reload(), redrawn("60"), chromedp.WaitVisible(`.panel.breakdown tbody td.barcell a`, chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector(".panel.breakdown tbody td.barcell a").click()`, nil),
		chromedp.WaitVisible(`.panel.listing tbody tr`, chromedp.ByQuery), redrawn("30"), chromedp.Location(&address),
		chromedp.Evaluate(`document.querySelectorAll(".panel.listing tbody tr").length`, &rows),
		chromedp.Text(`.panel.listing`, &number, chromedp.ByQuery))
	if rows != 30 || !strings.Contains(address, "/console/dashboards/calls?") || !strings.Contains(address, "which=all") {
		t.Errorf("%d calls behind the bar at %s, want 30", rows, address)
	}
	if strings.Contains(number, "+8613800") {
		t.Error("a number stands in the clear")
	}
	p.run(t, chromedp.NavigateBack(), redrawn("60"))
}
