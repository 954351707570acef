package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/config"
)

// asServer makes the test binary a ringfence with the settings it names (JSON), so that a test can kill it.
const asServer = "RINGFENCE_CONSOLE_TEST_SERVER"

func serve(settings string) error {
	var sets []string
	if err := json.Unmarshal([]byte(settings), &sets); err != nil {
		return err
	}
	cfg, err := config.Load("", sets, os.Getenv)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a, err := app.Start(ctx, app.Options{Config: cfg, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// server is such a process.
type server struct {
	t    *testing.T
	sets []string
	addr string
	cmd  *exec.Cmd
	done chan error
	errs *notes
}

// start starts it and waits until it is ready; where its port was taken in the meantime it tries again.
func (s *server) start() {
	s.t.Helper()
	sets, err := json.Marshal(append(s.sets, "http.listen="+s.addr))
	if err != nil {
		s.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	launch := func() {
		s.cmd, s.errs, s.done = exec.Command(self), &notes{}, make(chan error, 1)
		s.cmd.Env = append(os.Environ(), asServer+"="+string(sets))
		s.cmd.Stderr = s.errs
		if err := s.cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(s.cmd, s.done)
	}
	launch()
	deadline, tick := time.NewTimer(patience), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		select {
		case err := <-s.done:
			s.t.Logf("the server ended (%v) and is started again: %s", err, s.errs)
			launch()
		case <-deadline.C:
			s.t.Fatalf("the server is not ready: %s", s.errs)
		case <-tick.C:
		}
		if res, err := http.Get("http://" + s.addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// kill is kill -9.
func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process.Kill() == nil {
		<-s.done
		s.cmd = nil
	}
}

// freeAddress is one that no outgoing connection is given by chance.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// A rater writes while the server is killed: what was said to be saved is there when it comes back, what was not is sent
// by the page itself, and both survive a reload.
func TestDraftOutlivesKill(t *testing.T) {
	if testing.Short() {
		t.Skip("heavy")
	}
	chromium(t)
	dir := t.TempDir()
	s := &server{t: t, sets: prepared(t, dir), addr: freeAddress(t)}
	t.Cleanup(s.kill)
	s.start()
	base := "http://" + s.addr
	sendCalls(t, base, time.Now(), 0, 2)
	b := openBrowser(t, base)
	w := b.signedIn("rater")
	until(t, "the recordings are in the queue", func() bool {
		w.open("/console/queue")
		return w.text(`document.querySelectorAll("tbody tr").length`) == "2"
	})
	w.keys("n")
	w.until(`location.pathname.startsWith("/console/review/") && document.getElementById("sheet")`)
	page := w.text("location.pathname")
	w.keys("yynn")
	w.typed("#comment", "before the kill")
	saved := `document.getElementById("saved").textContent.startsWith("saved")`
	w.until(saved)

	s.kill()
	w.typed("#comment", ", and after it")
	w.until(`document.getElementById("saved").textContent.startsWith("Not saved")`)
	s.start()
	w.until(saved)
	w.until(`sessionStorage.length === 0`)
	w.do("load the page again", chromedp.Navigate(base+page))
	if got := w.text(`document.getElementById("comment").value + " " + document.querySelectorAll(".check input:checked").length`); got != "before the kill, and after it 4" {
		t.Errorf("after the kill: %q", got)
	}

	// Killed right after it said "saved", with nobody to send it again.
	w.typed("#comment", kb.End+"!")
	w.until(`document.getElementById("saved").textContent.startsWith("saved") && sessionStorage.length === 0`)
	s.kill()
	s.start()
	w.do("load the page again", chromedp.Navigate(base+page))
	if got := w.text(`document.getElementById("comment").value`); got != "before the kill, and after it!" {
		t.Errorf("after the second kill: %q", got)
	}
}
