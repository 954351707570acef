package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringfence/ringfence/internal/config"
)

// Whoever loads a policy that looks further back than calls were kept is told which rules may permit too much, and until
// when; a bad one is refused and the one in force stays.
func TestReloadTellsWhatCannotBeTrusted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	write := func(rules string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("policy: p\nrules:\n  - {id: YEAR, limit: 6, count: call, in: {rolling: 12mo}}\n"+rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	a := &App{cfg: config.Default(), log: slog.New(slog.NewTextHandler(&said, nil)), policies: &policies{source: file}}
	write("")
	if err := a.policies.load(); err != nil {
		t.Fatal(err)
	}
	reload := func(rules string) (string, error) {
		said.Reset()
		write(rules)
		err := a.ReloadPolicy()
		return said.String(), err
	}
	if log, err := reload("  - {id: MONTH, gap: 1mo, since: call}\n"); err != nil || strings.Contains(log, "WARN") {
		t.Errorf("a shorter window: %v\n%s", err, log)
	}
	before := time.Now()
	log, err := reload("  - {id: THREE, limit: 20, count: call, in: {rolling: 36mo}}\n  - {id: EVER, never_after: 50, of: call}\n  - {id: NO, never_after: 2, of: refusal}\n")
	if err != nil || strings.Count(log, "WARN") != 2 || !strings.Contains(log, "rule=THREE") || !strings.Contains(log, "rule=EVER") {
		t.Errorf("longer windows: %v\n%s", err, log)
	}
	// Calls of more than 374 and 35 days ago may be gone; the rule looks back 1118. (Twice, for midnight may come between.)
	const after = (1118 - 374 - 35) * 24 * time.Hour
	if !strings.Contains(log, `"can be trusted from"=`+before.Add(after).Format(time.DateOnly)) && !strings.Contains(log, `"can be trusted from"=`+time.Now().Add(after).Format(time.DateOnly)) {
		t.Errorf("it is not said from when: %s", log)
	}
	if log, err := reload("  - {id: YEAR, list: x}\n"); err == nil || !strings.Contains(log, "the one in force stays") || len(a.policies.current.Load().Rules) != 4 {
		t.Errorf("a bad policy: %v\n%s", err, log)
	}
	a.cfg.API.TrustClientTime = true // nothing is forgotten then
	if log, err := reload("  - {id: TEN, limit: 20, count: call, in: {rolling: 10y}}\n"); err != nil || strings.Contains(log, "WARN") {
		t.Errorf("%v\n%s", err, log)
	}
}
