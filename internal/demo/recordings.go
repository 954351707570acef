package demo

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/ringfence/ringfence/internal/recording"
	"github.com/ringfence/ringfence/samples"
)

// Recordings are those of the simulated centre's calls: each call of a campaign has one of the spoken dialogues. Names
// the simulated dialer does not give are missing.
type Recordings struct{ files []spoken }

type spoken struct {
	name string
	data []byte
}

// NewRecordings reads the dialogues.
func NewRecordings() (*Recordings, error) {
	r := &Recordings{}
	names, err := fs.Glob(samples.Recordings, "recordings/*")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		b, err := samples.Recordings.ReadFile(n)
		if err != nil {
			return nil, fmt.Errorf("read the demo's recordings: %w", err)
		}
		r.files = append(r.files, spoken{path.Base(n), b})
	}
	return r, nil
}

// Open a call's recording.
func (r *Recordings) Open(_ context.Context, uri string) (*recording.Object, error) {
	if !strings.HasPrefix(uri, "recordings/") || !fs.ValidPath(uri) || len(r.files) == 0 {
		return nil, recording.ErrMissing
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(uri))
	f := r.files[h.Sum32()%uint32(len(r.files))]
	return &recording.Object{ReadSeekCloser: nop{bytes.NewReader(f.data)}, Name: f.name, Size: int64(len(f.data)), Modified: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Version: fmt.Sprint(len(f.data))}, nil
}

type nop struct{ io.ReadSeeker }

func (nop) Close() error { return nil }
