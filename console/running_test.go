package console_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ringfence/ringfence/dashboards"
)

var (
	running = flag.String("console.url", "", "address of a running system, as the demo's: its pages are looked at instead of those of a small one")
	as      = flag.String("console.as", "", "name:password of a user of the running system, for the pages that need one")
	only    = flag.String("console.only", "", "the pages to take pictures of, with commas between them; all by default")
	paints  = flag.Int("console.paints", 20, "how often the overview is opened to measure its first paint")
)

// atDrawn notes when the page has drawn every panel for the first time.
const atDrawn = `new MutationObserver((_, o) => { if (document.body?.dataset.drawn) { performance.mark("drawn"); o.disconnect(); } }).observe(document, { subtree: true, attributes: true, childList: true })`

// How soon the overview of a running system shows something, and when all its panels are drawn: the browser's own
// figures, with nothing in its cache.
func TestFirstPaint(t *testing.T) {
	if *running == "" {
		t.Skip("needs -console.url, the address of a running system")
	}
	p := newTab(t, newBrowser(t))
	p.run(t, network.Enable(), network.SetCacheDisabled(true), chromedp.EmulateViewport(1440, 1200), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(atDrawn).Do(ctx)
		return err
	}))
	var first, all []float64
	for range max(1, *paints) {
		var paint, finished float64
		p.run(t, chromedp.Navigate(*running+"/?refresh=0"), drawn,
			chromedp.Evaluate(`performance.getEntriesByName("first-contentful-paint")[0].startTime`, &paint),
			chromedp.Evaluate(`performance.getEntriesByName("drawn")[0].startTime`, &finished))
		first, all = append(first, paint), append(all, finished)
	}
	slices.Sort(first)
	slices.Sort(all)
	n := len(first)
	t.Logf("of %d: first paint p50 %.0f ms, max %.0f ms; all panels drawn p50 %.0f ms, max %.0f ms", n, first[n/2], first[n-1], all[n/2], all[n-1])
}

// Pictures of every dashboard of a running system and of its alerts, to be looked at: in both languages, light and
// dark, wide and narrow.
func TestPictures(t *testing.T) {
	if *running == "" || *shots == "" {
		t.Skip("needs -console.url, the address of a running system, and -console.shots, a directory")
	}
	pages := map[string]string{"alerts": "/console/alerts"}
	for _, d := range dashboards.All() {
		pages[d.Slug()] = "/console/dashboards/" + d.Slug() + "?refresh=0"
	}
	for name := range pages {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), name) {
			delete(pages, name)
		}
	}
	for i, scheme := range []string{"dark", "light"} {
		browser := newBrowser(t, chromedp.Flag("blink-settings", fmt.Sprint("preferredColorScheme=", i)))
		if name, password, ok := strings.Cut(*as, ":"); ok {
			newTab(t, browser).run(t, chromedp.Navigate(*running+"/console/sign-in"), chromedp.SendKeys(`input[name="name"]`, name, chromedp.ByQuery), chromedp.SendKeys(`input[name="password"]`, password+"\r", chromedp.ByQuery),
				chromedp.WaitReady(`form[action="/console/sign-out"]`, chromedp.ByQuery))
		}
		for name, path := range pages {
			p := newTab(t, browser)
			ready := drawn
			if name == "alerts" {
				ready = chromedp.WaitReady("main", chromedp.ByQuery)
			}
			for _, lang := range []string{"zh-CN", "en"} {
				for _, width := range []int64{1440, 390} {
					var png []byte
					p.run(t, network.SetCookie("lang", lang).WithURL(*running), emulation.SetDeviceMetricsOverride(width, 1000, 1, width < 600), chromedp.Navigate(*running+path), ready, chromedp.FullScreenshot(&png, 100))
					if err := os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%s-%s-%d.png", name, lang, scheme, width)), png, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
