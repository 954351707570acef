package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CacheDir is where `make setup` keeps what does not belong into the build output: RINGFENCE_CACHE_DIR, else
// "ringfence" in the user's cache directory.
func CacheDir() (string, error) {
	if d := os.Getenv("RINGFENCE_CACHE_DIR"); d != "" {
		return d, nil
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set RINGFENCE_CACHE_DIR): %w", err)
	}
	return filepath.Join(d, "ringfence"), nil
}

// Library finds the ClickHouse library and makes sure it is whole: beside it lies its SHA-256, written by `make setup`
// after the package's own checksum had been verified. The result of the check is remembered by size and time.
func Library() (string, error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	lib := filepath.Join(dir, "chdb", "libchdb.so")
	st, err := os.Stat(lib)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the embedded ClickHouse is not installed (no %s): run `make setup`, or give clickhouse.addr", lib)
	}
	if err != nil {
		return "", fmt.Errorf("look at the embedded ClickHouse: %w", err)
	}
	sum, err := os.ReadFile(lib + ".sha256")
	if err != nil {
		return "", fmt.Errorf("%s was only half installed (its checksum is missing): run `make setup` again", lib)
	}
	mark := fmt.Sprintf("%s %d %d", strings.TrimSpace(string(sum)), st.Size(), st.ModTime().UnixNano())
	if b, err := os.ReadFile(lib + ".verified"); err == nil && string(b) == mark {
		return lib, nil
	}
	f, err := os.Open(lib)
	if err != nil {
		return "", fmt.Errorf("read the embedded ClickHouse: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the embedded ClickHouse: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != strings.TrimSpace(string(sum)) {
		return "", fmt.Errorf("%s is damaged (SHA-256 %s, expected %s): delete it and run `make setup` again", lib, got, strings.TrimSpace(string(sum)))
	}
	_ = os.WriteFile(lib+".verified", []byte(mark), 0o600) // a cache that cannot be written only costs the next check
	return lib, nil
}
