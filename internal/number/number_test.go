package number

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"13800138000": "+8613800138000", "+86 138-0013-8000": "+8613800138000", "010 8888 1234": "+861088881234",
		"+442079460000": "+442079460000", "abc": "", "": "", "12": "",
	} {
		got, err := Normalize(in, "CN")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	if got, err := Caller("10010", "CN"); got != "10010" || err != nil {
		t.Errorf("short code: %q %v", got, err)
	}
}

func TestMaskTextLeavesNoNumber(t *testing.T) {
	s := MaskText(`{"number":"+8613800138000","started_at":"2026-03-02T10:00:00+08:00","note":"call 138 0013 8001"}`)
	for _, bad := range []string{"13800138000", "138 0013 8001", "0013"} {
		if strings.Contains(s, bad) {
			t.Errorf("%s is in %s", bad, s)
		}
	}
	if !strings.Contains(s, "2026-03-02T10:00:00+08:00") {
		t.Errorf("the time was masked: %s", s)
	}
}

func TestKeyIsMadeOnceAndItsLossIsNoticed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys", "number.key")
	k, err := LoadOrCreate(file, dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	again, err := LoadOrCreate(file, dir)
	if err != nil || again.Hash("+86138") != k.Hash("+86138") {
		t.Errorf("a second start hashes otherwise: %v", err)
	}
	if b, err := k.Open(k.Seal([]byte("+8613800138000"))); err != nil || string(b) != "+8613800138000" {
		t.Errorf("seal: %q %v", b, err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(file, dir); err == nil || !strings.Contains(err.Error(), "not the key this data was written with") {
		t.Errorf("another key: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(file, dir); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("a lost key: %v", err)
	}
}
