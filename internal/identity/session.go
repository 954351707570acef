package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Session is who is signed in since when.
type Session struct {
	ID       string `json:"id"`
	User     User   `json:"user"`
	Provider string `json:"provider"` // local, oidc
	Print    string `json:"print,omitempty"`
	Began    int64  `json:"began"` // Unix milliseconds
	Seen     int64  `json:"seen"`
}

// Sealer makes cookies nobody else can read or make.
type Sealer struct {
	aead cipher.AEAD
	csrf []byte
}

// NewSealer derives its keys from a secret of 32 bytes; processes with the same secret open each other's cookies.
func NewSealer(secret []byte) (*Sealer, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("a session key has 32 bytes, this one %d", len(secret))
	}
	derive := func(what string) []byte {
		m := hmac.New(sha256.New, secret)
		_, _ = m.Write([]byte(what))
		return m.Sum(nil)
	}
	block, err := aes.NewCipher(derive("ringfence session seal"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead, derive("ringfence csrf")}, nil
}

var errSealed = errors.New("the cookie is not one of ours")

// Seal encrypts v; purpose must be the same when it is opened.
func (s *Sealer) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal a cookie: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(purpose))), nil
}

// Open decrypts what Seal made into v.
func (s *Sealer) Open(purpose, text string, v any) error {
	if len(text) > 4096 {
		return errSealed
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return errSealed
	}
	plain, err := s.aead.Open(nil, nil, b, []byte(purpose))
	if err != nil {
		return errSealed
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return errSealed
	}
	return nil
}

// CSRF is the token that every form of a session carries.
func (s *Sealer) CSRF(session string) string {
	m := hmac.New(sha256.New, s.csrf)
	_, _ = m.Write([]byte(session))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}

// CheckCSRF tells whether a form's token is the session's.
func (s *Sealer) CheckCSRF(session, token string) bool {
	return subtle.ConstantTimeCompare([]byte(s.CSRF(session)), []byte(token)) == 1
}

// NewID makes an id nobody can guess.
func NewID() string {
	b := make([]byte, 18)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Limits of a session.
type Limits struct {
	Idle time.Duration // without a request
	Most time.Duration // from the sign-in
}

// Alive tells whether a session is in its time: a moment before its end it is, at its end it is not.
func (l Limits) Alive(s *Session, now time.Time) bool {
	ms := now.UnixMilli()
	return ms < s.Seen+l.Idle.Milliseconds() && ms < s.Began+l.Most.Milliseconds() && s.Began <= ms+60_000
}

// Until is when the session ends if nobody uses it any more.
func (l Limits) Until(s *Session) time.Time {
	return time.UnixMilli(min(s.Seen+l.Idle.Milliseconds(), s.Began+l.Most.Milliseconds()))
}
