package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// Lock is the right to use a data directory.
type Lock struct{ f *flock.Flock }

// LockDataDir makes the directory if need be and takes it for this process. A directory in use by another process is
// refused with that process's number; the lock goes with its holder, so nothing needs cleaning up after a crash.
func LockDataDir(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explain("make the data directory", dir, err)
	}
	name := filepath.Join(dir, "LOCK")
	f := flock.New(name, flock.SetPermissions(0o600))
	ok, err := f.TryLock()
	if err != nil {
		return nil, explain("lock the data directory", dir, err)
	}
	if !ok {
		holder := ""
		if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
			holder = " (process " + strings.TrimSpace(string(b)) + ")"
		}
		return nil, fmt.Errorf("data directory %s is in use by another ringfence%s: stop that one, or choose another with --data-dir or data_dir", dir, holder)
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = f.Unlock()
		return nil, explain("write to the data directory", dir, err)
	}
	return &Lock{f}, nil
}

// Release gives the directory back.
func (l *Lock) Release() error { return l.f.Unlock() }

// explain says what to do about the failures an operator can mend.
func explain(doing, path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%s %s: the disk is full: free some space and start again, nothing acknowledged is lost: %w", doing, path, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s %s: this user may not write there: choose another data_dir or change its owner: %w", doing, path, err)
	}
	return fmt.Errorf("%s %s: %w", doing, path, err)
}
