package stream

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk is a file system of so many bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("mounting a small disk needs the rights of root")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The disk fills up under a running processor: it says so, loses nothing, and goes on when there is room again.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "24m")
	b, o := newBroker(t, 2), newOracle()
	cfg := b.config(dir, "a")
	cfg.MemTable, cfg.CacheEntries = 256<<10, 100
	r := start(t, tallyDef("full"), cfg)
	b.feed(o, 2000, 1000)
	b.check(o)
	// Somebody else fills the disk.
	hog := filepath.Join(dir, "hog")
	f, err := os.Create(hog)
	if err != nil {
		t.Fatal(err)
	}
	for block := bytes.Repeat([]byte{1}, 64<<10); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	if err := f.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	fed := make(chan struct{})
	go func() { // more states than memory may hold back
		defer close(fed)
		for i := 0; i < 200; i++ {
			select {
			case <-stop:
				return
			default:
				b.feed(o, 2000, 60_000)
			}
		}
	}()
	until(t, "it says that the disk is full", func() bool { s := r.Status(); return !s.Ready && s.Detail != "" })
	t.Log(r.Status().Detail)
	close(stop)
	<-fed
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	until(t, "it goes on", func() bool { s := r.Status(); return s.Ready && s.Lag == 0 })
	b.check(o)
}
