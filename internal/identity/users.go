package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
)

// Local is a file of users. It is read again when it changed; one that cannot be read leaves the users as they were,
// and Status says what is wrong with it.
type Local struct {
	path string
	busy chan struct{} // passwords checked at once: each takes its memory

	mu      sync.Mutex
	stamp   stamp
	looked  time.Time
	users   map[string]*localUser
	problem error
}

type stamp struct {
	mtime time.Time
	size  int64
}

type localUser struct {
	User
	password *passwordHash
	print    string // changes with the password
}

// ErrPassword is returned for an unknown name and for a wrong password alike.
var ErrPassword = errors.New("the name or the password is wrong")

// relook is how old the knowledge of the file may be.
const relook = 2 * time.Second

// OpenLocal reads the file of users.
func OpenLocal(path string) (*Local, error) {
	l := &Local{path: path, busy: make(chan struct{}, 2)}
	if err := l.load(); err != nil {
		return nil, err
	}
	return l, nil
}

// fileUser is a user as the file has him.
type fileUser struct {
	Name      string   `yaml:"name"`
	Display   string   `yaml:"display,omitempty"`
	Password  string   `yaml:"password"`
	Roles     []string `yaml:"roles,flow"`
	PartnerID string   `yaml:"partner_id,omitempty"`
	TeamID    string   `yaml:"team_id,omitempty"`
	AgentID   string   `yaml:"agent_id,omitempty"`
}

type userFile struct {
	Users []fileUser `yaml:"users"`
}

// parseUsers reads a file of users; errors name the file and the place in it.
func parseUsers(name string, src []byte) (map[string]*localUser, error) {
	var f userFile
	if len(bytes.TrimSpace(src)) > 0 {
		if err := yaml.UnmarshalWithOptions(src, &f, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %s", name, yaml.FormatError(err, false, false))
		}
	}
	out := make(map[string]*localUser, len(f.Users))
	for i, u := range f.Users {
		lu := &localUser{User: User{u.Name, u.Display, u.Roles, u.PartnerID, u.TeamID, u.AgentID}}
		if err := lu.Check(); err != nil {
			return nil, fmt.Errorf("%s: users[%d].%w", name, i, err)
		}
		if out[u.Name] != nil {
			return nil, fmt.Errorf("%s: users[%d].name: %q is there twice", name, i, u.Name)
		}
		var err error
		if lu.password, err = parsePassword(u.Password); err != nil {
			return nil, fmt.Errorf("%s: users[%d].password (%s): %w", name, i, u.Name, err)
		}
		sum := sha256.Sum256([]byte(u.Password))
		lu.print = hex.EncodeToString(sum[:8])
		out[u.Name] = lu
	}
	return out, nil
}

func (l *Local) load() error {
	info, err := os.Stat(l.path)
	if err != nil {
		return fmt.Errorf("read the file of users: %w", err)
	}
	src, err := os.ReadFile(l.path)
	if err != nil {
		return fmt.Errorf("read the file of users: %w", err)
	}
	users, err := parseUsers(l.path, src)
	if err != nil {
		return err
	}
	l.users, l.stamp = users, stamp{info.ModTime(), info.Size()}
	return nil
}

// current looks at the file again if it may have changed.
func (l *Local) current() map[string]*localUser {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.looked) < relook {
		return l.users
	}
	l.looked = now
	info, err := os.Stat(l.path)
	if err != nil {
		l.problem = fmt.Errorf("read the file of users: %w", err)
		return l.users
	}
	if (stamp{info.ModTime(), info.Size()}) != l.stamp || l.problem != nil {
		l.problem = l.load()
	}
	return l.users
}

// Status is what is wrong with the file, "" = nothing.
func (l *Local) Status() string {
	l.current()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.problem != nil {
		return l.problem.Error() + " (the users read before stay)"
	}
	return ""
}

// decoy is checked for names that are not there, so that time tells nobody which are.
var decoy = &passwordHash{memory: memoryKiB, time: passes, lanes: lanes, salt: make([]byte, saltLen), key: make([]byte, keyLen)}

// Check returns the user of that name and password, or ErrPassword.
func (l *Local) Check(ctx context.Context, name, password string) (*User, string, error) {
	u := l.current()[name]
	h := decoy
	if u != nil {
		h = u.password
	}
	select {
	case l.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	ok := h.matches(password)
	<-l.busy
	if !ok || u == nil {
		return nil, "", ErrPassword
	}
	return u.clone(), u.print, nil
}

// Lookup returns the user of that name as the file has him now, and the print of his password.
func (l *Local) Lookup(name string) (*User, string, bool) {
	u := l.current()[name]
	if u == nil {
		return nil, "", false
	}
	return u.clone(), u.print, true
}

func (u *localUser) clone() *User {
	c := u.User
	c.Roles = slices.Clone(u.Roles)
	return &c
}

// PutUser adds a user to the file or replaces the one of that name, and makes the file (mode 0600) if it is not there.
// Comments in the file are not kept.
func PutUser(path string, u User, password string) error {
	if err := u.Check(); err != nil {
		return err
	}
	if n := len([]rune(password)); n < 12 || len(password) > 1000 {
		return fmt.Errorf("password: at least 12 characters are needed, this one has %d", n)
	}
	var f userFile
	src, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the file of users: %w", err)
	}
	if _, err := parseUsers(path, src); err != nil {
		return err
	}
	if len(bytes.TrimSpace(src)) > 0 {
		if err := yaml.UnmarshalWithOptions(src, &f, yaml.Strict()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	f.Users = slices.DeleteFunc(f.Users, func(x fileUser) bool { return x.Name == u.Name })
	f.Users = append(f.Users, fileUser{u.Name, u.Display, HashPassword(password), u.Roles, u.PartnerID, u.TeamID, u.AgentID})
	out, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("write the file of users: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, out, 0o600); err != nil {
		return fmt.Errorf("write the file of users: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write the file of users: %w", err)
	}
	return nil
}
