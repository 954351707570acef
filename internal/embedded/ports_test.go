package embedded

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// No port is chosen twice, even where the note of the last start says so; else those of the last start are.
func TestPortsDiffer(t *testing.T) {
	dir := t.TempDir()
	first, err := ports(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ports(dir, 2)
	if err != nil || !slices.Equal(first, again) {
		t.Errorf("ports %v at first, then %v: %v", first, again, err)
	}
	note := []byte("[40999, 40999]")
	if err := os.WriteFile(filepath.Join(dir, "ports.json"), note, 0o600); err != nil {
		t.Fatal(err)
	}
	twice, err := ports(dir, 2)
	if err != nil || twice[0] == twice[1] {
		t.Errorf("ports %v of a note with one port twice: %v", twice, err)
	}
	many, err := ports(t.TempDir(), 300)
	slices.Sort(many)
	if err != nil || len(slices.Compact(many)) != 300 {
		t.Errorf("of 300 ports some are the same: %v", err)
	}
}
