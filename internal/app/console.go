package app

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/console"
	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/number"
)

// startIdentity opens the audit log and makes ready what signing in needs.
func (a *App) startIdentity(ctx context.Context) error {
	producer, err := kgo.NewClient(append(append([]kgo.Opt{}, a.base...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(8*time.Second))...)
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	a.onClose(func() error { producer.Close(); return nil })
	a.audit = auditlog.New(producer, time.Now)
	k := &a.cfg.Console
	if !k.SignsIn() {
		return nil
	}
	file := k.SessionKeyFile
	if file == "" {
		file = filepath.Join(a.cfg.DataDir, "keys", "session.key")
	}
	secret, err := number.Secret(file, filepath.Join(a.cfg.DataDir, "session.key.fingerprint"))
	if err != nil {
		return err
	}
	sealer, err := identity.NewSealer(secret)
	if err != nil {
		return err
	}
	s := &identity.Sessions{Sealer: sealer, Limits: identity.Limits{Idle: k.SessionIdle.D(), Most: k.SessionMost.D()}, Secure: strings.HasPrefix(k.PublicURL, "https://"), Now: time.Now}
	if k.UsersFile != "" {
		if s.Local, err = identity.OpenLocal(k.UsersFile); err != nil {
			return err
		}
		a.health.add("users", func() (bool, string) { p := s.Local.Status(); return p == "", p })
	}
	var ended *identity.Ended
	err = patiently(ctx, a.log, func(ctx context.Context) error {
		ended, err = identity.OpenEnded(ctx, a.base, time.Now)
		return err
	})
	if err != nil {
		return err
	}
	s.Ended = ended
	a.work("sessions", ended.Run)
	a.sessions = s
	return nil
}

// signedIn is who is signed in with a request, nil = nobody.
func (a *App) signedIn(r *http.Request) *identity.User {
	if a.sessions == nil {
		return nil
	}
	s := a.sessions.Of(nil, r)
	if s == nil {
		return nil
	}
	return &s.User
}

// Audit is the log of who did what.
func (a *App) Audit() *auditlog.Log { return a.audit }

// mountConsole puts the console beside the API.
func (a *App) mountConsole() error {
	if !a.cfg.Has("console") {
		return nil
	}
	opt := console.Options{Zone: a.zone, Version: a.opt.Version, Logger: a.log, OpenFigures: len(a.cfg.API.Tokens) == 0, Sessions: a.sessions, Audit: a.audit}
	if o := a.cfg.Console.OIDC; o.Issuer != "" {
		public := a.cfg.Console.PublicURL
		if public == "" {
			public = "http://" + a.cfg.HTTP.Listen
		}
		opt.OIDC = identity.NewOIDC(identity.OIDCOptions{Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: strings.TrimSuffix(public, "/") + "/console/oidc/callback",
			Scopes: o.Scopes, NameClaim: o.NameClaim, RolesClaim: o.RolesClaim, PartnerClaim: o.PartnerClaim, TeamClaim: o.TeamClaim, AgentClaim: o.AgentClaim, RolesMap: o.RolesMap}, a.sessions.Sealer)
	}
	var err error
	if opt.QA, err = a.consoleQA(); err != nil {
		return err
	}
	opt.OneIn, opt.Alerts = a.cfg.Sampling.OneIn, a.consoleAlerts()
	c, err := console.New(opt)
	if err != nil {
		return err
	}
	a.api.Open("GET /{$}", c)
	a.api.Open("/console/", c)
	return nil
}

// crossOrigin refuses what another site's page sends with its visitor's browser: on loopback the API needs no token, and
// elsewhere a session's cookie would come along.
func crossOrigin(h http.Handler) http.Handler { return http.NewCrossOriginProtection().Handler(h) }
