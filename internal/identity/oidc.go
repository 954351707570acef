package identity

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDCOptions say which provider signs users in, and how its claims are read.
type OIDCOptions struct {
	Issuer, ClientID, ClientSecret                             string
	RedirectURL                                                string
	Scopes                                                     []string
	NameClaim, RolesClaim, PartnerClaim, TeamClaim, AgentClaim string
	RolesMap                                                   map[string][]string // the provider's word to roles; a word not in it is taken as a role if it is one
	HTTP                                                       *http.Client
	Now                                                        func() time.Time
}

// OIDC signs users in at a provider: authorization code with PKCE, state and nonce.
type OIDC struct {
	opt    OIDCOptions
	sealer *Sealer

	mu       sync.Mutex
	provider *oidc.Provider
}

// NewOIDC makes it; the provider is asked when the first user comes, so that a start needs no provider.
func NewOIDC(opt OIDCOptions, sealer *Sealer) *OIDC {
	if opt.HTTP == nil {
		opt.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &OIDC{opt: opt, sealer: sealer}
}

// flow is what a browser carries, sealed, between start and callback.
type flow struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Back     string `json:"back"`
	Until    int64  `json:"until"`
}

// flowTime is how long a user may take at the provider.
const flowTime = 10 * time.Minute

// Errors of a sign-in at the provider.
var (
	ErrFlow   = errors.New("the sign-in was not begun here, or took too long")
	ErrNoRole = errors.New("the provider names no role of ringfence for this user")
)

func (o *OIDC) setup(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), o.opt.HTTP), o.opt.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask the provider %s: %w", o.opt.Issuer, err)
		}
		o.provider = p
	}
	return o.provider, &oauth2.Config{ClientID: o.opt.ClientID, ClientSecret: o.opt.ClientSecret, Endpoint: o.provider.Endpoint(), RedirectURL: o.opt.RedirectURL, Scopes: o.opt.Scopes}, nil
}

// Start gives the address at the provider, and the sealed text the browser must bring back.
func (o *OIDC) Start(ctx context.Context, back string) (address, sealed string, err error) {
	_, cfg, err := o.setup(ctx)
	if err != nil {
		return "", "", err
	}
	f := flow{State: NewID(), Nonce: NewID(), Verifier: oauth2.GenerateVerifier(), Back: back, Until: o.opt.Now().Add(flowTime).UnixMilli()}
	sealed, err = o.sealer.Seal("oidc flow", f)
	return cfg.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), sealed, err
}

// Finish turns the provider's answer into a user and the path to go on at.
func (o *OIDC) Finish(ctx context.Context, sealed, state, code string) (*User, string, error) {
	var f flow
	if err := o.sealer.Open("oidc flow", sealed, &f); err != nil {
		return nil, "", ErrFlow
	}
	if subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) != 1 || o.opt.Now().UnixMilli() >= f.Until {
		return nil, "", ErrFlow
	}
	provider, cfg, err := o.setup(ctx)
	if err != nil {
		return nil, "", err
	}
	ctx = oidc.ClientContext(ctx, o.opt.HTTP)
	token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return nil, "", fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, "", errors.New("the provider sent no id_token")
	}
	id, err := provider.VerifierContext(context.WithoutCancel(ctx), &oidc.Config{ClientID: o.opt.ClientID, Now: o.opt.Now}).Verify(ctx, raw)
	if err != nil {
		return nil, "", fmt.Errorf("verify the id_token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return nil, "", ErrFlow
	}
	claims := map[string]json.RawMessage{}
	if err := id.Claims(&claims); err != nil {
		return nil, "", fmt.Errorf("read the id_token's claims: %w", err)
	}
	if !o.complete(claims) { // many providers tell the rest only when asked
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return nil, "", fmt.Errorf("ask the provider about the user: %w", err)
		}
		if info.Subject != id.Subject {
			return nil, "", errors.New("the provider answers about somebody else")
		}
		more := map[string]json.RawMessage{}
		if err := info.Claims(&more); err != nil {
			return nil, "", fmt.Errorf("read the provider's claims: %w", err)
		}
		for k, v := range more {
			if _, have := claims[k]; !have {
				claims[k] = v
			}
		}
	}
	u, err := o.user(claims, id.Subject)
	return u, f.Back, err
}

func (o *OIDC) complete(claims map[string]json.RawMessage) bool {
	for _, c := range []string{o.opt.NameClaim, o.opt.RolesClaim} {
		if _, ok := claims[c]; !ok {
			return false
		}
	}
	return true
}

// user reads the claims. A partner's claim that is there and no text is an error and never "not confined".
func (o *OIDC) user(claims map[string]json.RawMessage, subject string) (*User, error) {
	one := func(claim string) (string, error) {
		raw, ok := claims[claim]
		if claim == "" || !ok || string(raw) == "null" {
			return "", nil
		}
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", fmt.Errorf("claim %s: expected a text, got %s", claim, raw)
		}
		return s, nil
	}
	u := &User{}
	var err error
	for _, x := range []struct {
		claim string
		into  *string
	}{{o.opt.NameClaim, &u.Name}, {o.opt.PartnerClaim, &u.PartnerID}, {o.opt.TeamClaim, &u.TeamID}, {o.opt.AgentClaim, &u.AgentID}, {"name", &u.Display}} {
		if *x.into, err = one(x.claim); err != nil {
			return nil, err
		}
	}
	if u.Name == "" {
		u.Name = subject
	}
	var words []string
	if raw, ok := claims[o.opt.RolesClaim]; ok {
		var text string
		if json.Unmarshal(raw, &words) != nil {
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, fmt.Errorf("claim %s: expected a list of texts, got %s", o.opt.RolesClaim, raw)
			}
			words = strings.Fields(strings.ReplaceAll(text, ",", " "))
		}
	}
	for _, word := range words {
		roles, mapped := o.opt.RolesMap[word]
		if !mapped && len(o.opt.RolesMap) == 0 && slices.Contains(Roles(), word) {
			roles = []string{word}
		}
		for _, r := range roles {
			if !slices.Contains(u.Roles, r) {
				u.Roles = append(u.Roles, r)
			}
		}
	}
	if len(u.Roles) == 0 {
		return nil, ErrNoRole
	}
	if err := u.Check(); err != nil {
		return nil, fmt.Errorf("the provider's user cannot be taken: %w", err)
	}
	return u, nil
}
