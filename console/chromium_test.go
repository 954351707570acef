package console_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	browserlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

var shots = flag.String("console.shots", "", "a directory for pictures of the pages, in both languages, light and dark, wide and narrow")

// chromium is the browser's path; a test without one is skipped.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Skip("needs Chromium (Debian: apt install chromium)")
	return ""
}

// axeScript is axe-core, which finds what a page's users with a screen reader or a keyboard stumble over.
func axeScript(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("assets/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is not there: run make console-assets (%v)", err)
	}
	return string(b)
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// windows is a browser whose windows share nothing: each has its own cookies.
type windows struct {
	t    *testing.T
	ctx  context.Context
	base string
	axe  string

	mu    sync.Mutex
	pages []string // every page that was looked at, as it was
}

func openBrowser(t *testing.T, base string) *windows {
	t.Helper()
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WSURLReadTimeout(2*time.Minute))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return &windows{t: t, ctx: ctx, base: base, axe: axeScript(t)}
}

// window is one of them.
type window struct {
	*windows
	ctx  context.Context
	name string
}

// patience is how long anything may take: the machine may be busy with other things.
const patience = 2 * time.Minute

func (b *windows) window(name string) *window {
	b.t.Helper()
	browser := cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser)
	own, err := target.CreateBrowserContext().Do(browser)
	if err != nil {
		b.t.Fatalf("open a window for %s: %v", name, err)
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(own).WithNewWindow(true).Do(browser)
	if err != nil {
		b.t.Fatalf("open a window for %s: %v", name, err)
	}
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(end)
	w := &window{b, ctx, name}
	chromedp.ListenTarget(ctx, func(ev any) {
		switch e := ev.(type) {
		case *page.EventJavascriptDialogOpening: // what somebody wrote into a field was run
			b.t.Errorf("%s: a script of a page's visitor ran on %s", name, e.URL)
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(true)) }()
		case *browserlog.EventEntryAdded:
			if strings.Contains(e.Entry.Text, "Content Security Policy") {
				b.t.Errorf("%s: %s %s", name, e.Entry.URL, e.Entry.Text)
			}
		}
	})
	if err := chromedp.Run(ctx, browserlog.Enable(), chromedp.EmulateViewport(1440, 1000)); err != nil {
		b.t.Fatalf("open a window for %s: %v", name, err)
	}
	return w
}

// signedIn opens a window in which somebody signs in.
func (b *windows) signedIn(name string) *window {
	b.t.Helper()
	w := b.window(name)
	w.open("/console/sign-in")
	w.typed(`input[name="name"]`, name)
	w.typed(`input[name="password"]`, password)
	w.pressed(`form[action="/console/sign-in"] button`)
	w.until(`location.pathname !== "/console/sign-in" && document.readyState === "complete"`)
	return w
}

func (w *window) do(what string, actions ...chromedp.Action) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		w.t.Fatalf("%s: %s: %v", w.name, what, err)
	}
}

// open goes to a page and returns the status it came with.
func (w *window) open(path string) int {
	w.t.Helper()
	var status int
	w.do("open "+path, chromedp.Navigate(w.base+path), chromedp.Evaluate(`performance.getEntriesByType("navigation")[0].responseStatus`, &status))
	w.keep(`document.documentElement.outerHTML + [...document.querySelectorAll("input, textarea")].map((x) => x.value).join("\n")`)
	return status
}

// keep notes the page as it is now: what an expression gives.
func (w *window) keep(expression string) {
	w.t.Helper()
	html := w.text(expression)
	w.mu.Lock()
	w.pages = append(w.pages, w.name+" "+html)
	w.mu.Unlock()
}

// until waits for an expression to become true, over any number of pages.
func (w *window) until(expression string) {
	w.t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(30*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		var yes bool
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		err := chromedp.Run(ctx, chromedp.Evaluate("Boolean("+expression+")", &yes))
		cancel()
		if err == nil && yes {
			return
		}
		select {
		case <-deadline.C:
			w.t.Fatalf("%s waits in vain for %s (%v); the page: %s", w.name, expression, err, w.said())
		case <-tick.C:
		}
	}
}

func (w *window) said() string {
	return w.text(`document.title + " | " + document.querySelector("main").innerText`)
}

// text is what an expression gives.
func (w *window) text(expression string) string {
	w.t.Helper()
	var s string
	w.do(expression, chromedp.Evaluate("String("+expression+")", &s))
	return s
}

// typed types into a field.
func (w *window) typed(selector, text string) {
	w.t.Helper()
	w.do("type into "+selector, chromedp.SendKeys(selector, text, chromedp.ByQuery))
}

// pressed clicks with the mouse.
func (w *window) pressed(selector string) {
	w.t.Helper()
	w.do("press "+selector, chromedp.Click(selector, chromedp.ByQuery))
}

// keys presses keys one after another, wherever the focus is.
func (w *window) keys(keys string, mod ...input.Modifier) {
	w.t.Helper()
	w.do("press the keys "+keys, chromedp.KeyEvent(keys, chromedp.KeyModifiers(mod...)))
}

// dark lets the window prefer dark colours, or light ones.
func (w *window) dark(yes bool) {
	w.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[yes]
	w.do("prefer "+scheme, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// fit checks how the page is shown and keeps what it says. With -console.shots it takes pictures as well.
func (w *window) fit(name string) {
	w.t.Helper()
	w.keep("document.documentElement.outerHTML") // without what somebody is typing
	w.shown(name)
	w.picture(name)
}

// shown checks that the page, wide and light and then narrow and dark, has nothing axe finds fault with and does not
// scroll sideways.
func (w *window) shown(name string) {
	w.t.Helper()
	for i, width := range []int64{1440, 390} {
		w.dark(i == 1)
		var found string
		var problems []string
		var sideways bool
		w.do("look at "+name, chromedp.EmulateViewport(width, 1000), chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &sideways), chromedp.Evaluate(w.axe, nil),
			chromedp.Evaluate(`axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(" | "))))`, &found, chromedp.EvalAsValue, awaitPromise))
		if err := json.Unmarshal([]byte(found), &problems); err != nil || len(problems) > 0 {
			w.t.Errorf("%s at %d pixels: accessibility: %v\n%s", name, width, err, strings.Join(problems, "\n"))
		}
		if sideways {
			w.t.Errorf("%s at %d pixels scrolls sideways", name, width)
		}
	}
	w.dark(false)
	w.do("be wide again", chromedp.EmulateViewport(1440, 1000))
}

// picture takes the page's pictures.
func (w *window) picture(name string) {
	w.t.Helper()
	if *shots == "" {
		return
	}
	here := w.text("location.pathname + location.search")
	for _, lang := range []string{"zh-CN", "en"} {
		w.do("speak "+lang, network.SetCookie("lang", lang).WithURL(w.base))
		for _, scheme := range []string{"light", "dark"} {
			w.dark(scheme == "dark")
			for _, width := range []int64{1440, 390} {
				var png []byte
				w.do("take a picture", chromedp.EmulateViewport(width, 1000), chromedp.Navigate(w.base+here))
				w.until(`document.readyState === "complete" && (!document.getElementById("wave") || document.getElementById("wave").getAttribute("aria-valuemax") !== "0")`)
				w.do("take a picture", chromedp.FullScreenshot(&png, 100))
				if err := os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%s-%s-%d.png", name, lang, scheme, width)), png, 0o600); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
	w.dark(false)
	w.do("be wide again", chromedp.EmulateViewport(1440, 1000))
}
