package app

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/ringfence/ringfence/processors/contactcap"
	"github.com/ringfence/ringfence/processors/contactcap/policy"
)

// policies holds the policy in force.
type policies struct {
	source  string
	current atomic.Pointer[policy.Policy]
}

func (p *policies) load() error {
	fresh, err := policy.Load(p.source)
	if err != nil {
		return err
	}
	p.current.Store(fresh)
	return nil
}

// ReloadPolicy reads the policy again; a bad one is refused and the one in force stays.
func (a *App) ReloadPolicy() error {
	was := a.policies.current.Load()
	if err := a.policies.load(); err != nil {
		a.log.Error("the policy was refused, the one in force stays", "in force", a.policies.current.Load().Ref(), "error", err)
		return err
	}
	is := a.policies.current.Load()
	a.log.Info("policy in force", "policy", is.Ref())
	if !a.cfg.API.TrustClientTime { // else nothing is ever forgotten
		for _, d := range contactcap.Doubts(was, is, time.Now()) {
			trusted := "never, for customers with forgotten calls"
			if !d.From.IsZero() {
				trusted = d.From.Format(time.DateOnly)
			}
			a.log.Warn("a rule looks back further than calls were kept: it may permit too much until it can be trusted", "rule", d.Rule, "calls may be forgotten before", d.Before.Format(time.DateOnly),
				"can be trusted from", trusted)
		}
	}
	a.noteChange(context.Background(), "policy", a.policies.current.Load().Ref())
	return nil
}

// watchPolicy reads the policy again when its file, or another policy beside it that it may extend, has changed. A
// preset never changes.
func (a *App) watchPolicy(ctx context.Context) error {
	if _, err := os.Stat(a.policies.source); err != nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for was := policyFiles(a.policies.source); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if now := policyFiles(a.policies.source); now != was {
			was = now
			_ = a.ReloadPolicy() // said in the log
		}
	}
}

// policyFiles is a digest of the YAML files in the policy's directory.
func policyFiles(source string) [sha256.Size]byte {
	h := sha256.New()
	for _, ext := range []string{"*.yaml", "*.yml", filepath.Base(source)} {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(source), ext))
		if err != nil {
			continue
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			_, _ = h.Write([]byte(f))
			_, _ = h.Write(b)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
