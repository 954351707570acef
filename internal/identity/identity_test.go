package identity

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const secretWords = "correct horse battery"

func localUsers(t *testing.T) (*Local, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.yaml")
	if err := PutUser(file, User{Name: "li.wei", Roles: []string{RoleQA}, PartnerID: "p1"}, secretWords); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLocal(file)
	if err != nil {
		t.Fatal(err)
	}
	return l, file
}

func TestPasswords(t *testing.T) {
	l, file := localUsers(t)
	if u, _, err := l.Check(t.Context(), "li.wei", secretWords); err != nil || u.PartnerID != "p1" || !u.Is(RoleQA) || u.Is(RoleSupervisor) {
		t.Errorf("the right password: %+v %v", u, err)
	}
	for _, c := range [][2]string{{"li.wei", "correct horse batter"}, {"li.wei", ""}, {"nobody", secretWords}, {"", ""}} {
		if _, _, err := l.Check(t.Context(), c[0], c[1]); !errors.Is(err, ErrPassword) {
			t.Errorf("%q %q: %v", c[0], c[1], err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), secretWords) {
		t.Errorf("the file holds the password (%v)", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v)", info.Mode(), err)
	}
	if err := PutUser(file, User{Name: "x", Roles: []string{RoleQA}}, "short"); err == nil {
		t.Error("a password of five characters was taken")
	}
}

func TestUserFilesErrors(t *testing.T) {
	hash := HashPassword(secretWords)
	for src, want := range map[string]string{
		"users: [{name: a, password: '" + hash + "', roles: [boss]}]":                                                 `users[0].roles: "boss"`,
		"users: [{name: a, password: plain, roles: [qa]}]":                                                            "users[0].password",
		"users: [{name: a, pasword: x}]":                                                                              "pasword",
		"users: [{name: a, password: '" + hash + "', roles: [qa]}, {name: a, password: '" + hash + "', roles: [qa]}]": "is there twice",
		"users: [{name: 'a b', password: '" + hash + "', roles: [qa]}]":                                               "name",
		"users: [{name: a, password: '" + hash + "', roles: [agent]}]":                                                "agent_id",
		"users: [{name: a, password: '" + strings.Replace(hash, "m=19456", "m=999999999", 1) + "', roles: [qa]}]":     "out of bounds",
		"users: 3": "users",
	} {
		if _, err := parseUsers("users.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "users.yaml") {
			t.Errorf("%s: %v, want the file and %q", src, err, want)
		}
	}
}

func FuzzUserFile(f *testing.F) {
	f.Add([]byte("users: [{name: a, password: x, roles: [qa]}]"))
	f.Add([]byte("users:\n- name: [\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		users, err := parseUsers("f", b)
		if err != nil {
			return
		}
		for name, u := range users {
			if u.Check() != nil || u.Name != name || u.password == nil {
				t.Errorf("a user that is not whole was taken: %+v", u.User)
			}
		}
	})
}

type endedSet map[string]bool

func (e endedSet) Has(id string) bool { return e[id] }
func (e endedSet) End(_ context.Context, id string, _ time.Time) error {
	e[id] = true
	return nil
}

// rig is sessions with a clock of the test's own.
func rig(t *testing.T) (*Sessions, *time.Time, string) {
	t.Helper()
	l, file := localUsers(t)
	sealer, err := NewSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	return &Sessions{Sealer: sealer, Limits: Limits{Idle: 30 * time.Minute, Most: 12 * time.Hour}, Local: l, Ended: endedSet{}, Now: func() time.Time { return now }}, &now, file
}

func begin(t *testing.T, s *Sessions) *http.Request {
	t.Helper()
	u, print, err := s.Local.Check(t.Context(), "li.wei", secretWords)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if _, err := s.Begin(w, u, "local", print); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range w.Result().Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != s.Secure {
			t.Errorf("the cookie is not protected: %+v", c)
		}
		r.AddCookie(c)
	}
	return r
}

func TestSessionEnds(t *testing.T) {
	s, now, file := rig(t)
	start := *now
	r := begin(t, s)
	alive := func(at time.Duration) bool { *now = start.Add(at); return s.Of(nil, r) != nil }
	if !alive(0) || !alive(30*time.Minute-time.Millisecond) {
		t.Error("the session ended before its time")
	}
	if alive(30 * time.Minute) {
		t.Error("an idle session lives on")
	}
	// One that is used lives until its end, and not longer.
	r = begin(t, s)
	start = *now
	for at := 20 * time.Minute; ; at += 20 * time.Minute {
		*now = start.Add(at)
		w := httptest.NewRecorder()
		if s.Of(w, r) == nil {
			if at < 12*time.Hour {
				t.Fatalf("a session in use ended after %s", at)
			}
			break
		}
		if at >= 12*time.Hour {
			t.Fatalf("a session lives for %s", at)
		}
		r = httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	// Signing out ends it wherever its cookie was copied to.
	r = begin(t, s)
	if err := s.End(t.Context(), httptest.NewRecorder(), s.Of(nil, r)); err != nil {
		t.Fatal(err)
	}
	if s.Of(nil, r) != nil {
		t.Error("a copy of the cookie outlives the sign-out")
	}
	// Another password ends it.
	r = begin(t, s)
	if err := PutUser(file, User{Name: "li.wei", Roles: []string{RoleQA}}, "another horse battery"); err != nil {
		t.Fatal(err)
	}
	s.Local.looked = time.Time{}
	if s.Of(nil, r) != nil {
		t.Error("a session outlives its password")
	}
}

func TestForgedCookies(t *testing.T) {
	s, _, _ := rig(t)
	r := begin(t, s)
	good := r.Cookies()[0].Value
	for name, v := range map[string]string{"empty": "", "cut": good[:len(good)-4], "changed": "A" + good[1:], "none": "x", "long": strings.Repeat("A", 10_000)} {
		forged := httptest.NewRequest("GET", "/", nil)
		forged.AddCookie(&http.Cookie{Name: s.CookieName(), Value: v})
		if v != good && s.Of(nil, forged) != nil {
			t.Errorf("%s: a forged cookie was taken", name)
		}
	}
	// What was sealed for another purpose is no session.
	other, err := s.Sealer.Seal("oidc flow", Session{ID: "x", User: User{Name: "li.wei"}, Began: s.Now().UnixMilli(), Seen: s.Now().UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	forged := httptest.NewRequest("GET", "/", nil)
	forged.AddCookie(&http.Cookie{Name: s.CookieName(), Value: other})
	if s.Of(nil, forged) != nil {
		t.Error("a cookie of another purpose was taken for a session")
	}
	if s.Sealer.CheckCSRF("a", s.Sealer.CSRF("b")) || !s.Sealer.CheckCSRF("a", s.Sealer.CSRF("a")) {
		t.Error("a token of another session is taken, or the own one is not")
	}
}

func TestLimiter(t *testing.T) {
	l, now := NewLimiter(), time.Unix(1_800_000_000, 0)
	for range 5 {
		if l.Wait(now, "a", "1") != 0 {
			t.Fatal("too early")
		}
		l.Failed(now, "a", "1")
	}
	if w := l.Wait(now, "a", "1"); w != 15*time.Minute {
		t.Errorf("after five failures: %s", w)
	}
	if l.Wait(now, "a", "2") != 0 || l.Wait(now, "b", "1") != 0 {
		t.Error("others must wait as well")
	}
	if l.Wait(now.Add(15*time.Minute), "a", "1") != 0 {
		t.Error("it never ends")
	}
	for i := range 30 {
		l.Failed(now, string(rune('A'+i)), "3")
	}
	if l.Wait(now, "somebody else", "3") == 0 {
		t.Error("thirty names from one address are not stopped")
	}
	for range 100 {
		l.Failed(now, "target", string(rune(time.Now().UnixNano()%1000+1000)))
	}
	if l.Wait(now, "target", "fresh address") == 0 {
		t.Error("a hundred failures of one name are not stopped")
	}
}
