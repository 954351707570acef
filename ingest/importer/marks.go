package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/ringfence/ringfence/event"
)

// Marks remember how far files were imported, by the digest that identifies a file.
type Marks interface {
	// Load returns nil when there is no mark.
	Load(ctx context.Context, digest string) (*event.ImportMark, error)
	Save(ctx context.Context, m *event.ImportMark) error
}

// head is how much of a file identifies it.
const head = 4 << 10

// prefix hashes a file's beginning as it is taken.
type prefix struct {
	r   io.ReaderAt
	h   hash.Hash
	off int64
}

func (p *prefix) upTo(n int64) (string, error) {
	if n < p.off {
		p.h.Reset()
		p.off = 0
	}
	got, err := io.Copy(p.h, io.NewSectionReader(p.r, p.off, n-p.off))
	p.off += got
	if err != nil {
		return "", err
	}
	if p.off != n {
		return "", fmt.Errorf("the file has become shorter than %d bytes", n)
	}
	return hex.EncodeToString(p.h.Sum(nil)), nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func splitState(b []byte) (prefix, cut string) {
	prefix, cut, _ = strings.Cut(string(b), " ")
	return prefix, cut
}

// identities are the digests a file may be known by, the surest first: its first two lines, its first line, its first
// 4 KiB. Growing changes the later ones only as long as there are no earlier ones.
func identities(salt string, r io.ReaderAt, lines bool) ([]string, error) {
	b := make([]byte, head)
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	b = b[:n]
	var out []string
	if lines {
		if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
			rest := bytes.TrimLeft(b[i:], "\r\n")
			if j := bytes.IndexAny(rest, "\r\n"); j >= 0 {
				out = append(out, digest(salt+"\x002\x00"+string(b[:i])+"\n"+string(rest[:j])))
			}
			out = append(out, digest(salt+"\x001\x00"+string(b[:i])))
		}
	}
	return append(out, digest(salt+"\x000\x00"+string(b))), nil
}

// find returns the mark of the file in r, or a new one. A mark is this file's if the file begins with what the mark
// has seen; other files that begin alike are told apart by counting on.
func find(ctx context.Context, m Marks, salt string, r io.ReaderAt, size int64) (*event.ImportMark, error) {
	ids, err := identities(salt, r, !strings.HasPrefix(salt, "freeswitch-"))
	if err != nil {
		return nil, err
	}
	fresh := ""
	for _, base := range ids {
		id := base
		for n := 1; ; n++ {
			mark, err := m.Load(ctx, id)
			if err != nil {
				return nil, err
			}
			if mark == nil {
				break
			}
			if mark.Bytes <= size {
				p := prefix{r: r, h: sha256.New()}
				sum, err := p.upTo(mark.Bytes)
				if err != nil {
					return nil, err
				}
				if want, _ := splitState(mark.State); want == sum {
					return mark, nil
				}
			}
			id = digest(fmt.Sprintf("%s#%d", base, n))
		}
		if fresh == "" {
			fresh = id
		}
	}
	return &event.ImportMark{Digest: fresh}, nil
}
