package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Errors of reading a recording.
var (
	ErrMissing    = errors.New("the recording is not there")
	ErrUnreadable = errors.New("the recording is no WAV, MP3 or Opus file that can be read")
	ErrName       = errors.New("this names no recording of ours")
)

// Object is an open recording.
type Object struct {
	io.ReadSeekCloser
	Name     string
	Size     int64 // bytes
	Modified time.Time
	Version  string // changes with the contents, as far as the store tells
}

// Store is where recordings are. Open returns ErrMissing for what is not there, and ErrName for names that lead elsewhere.
type Store interface {
	Open(ctx context.Context, uri string) (*Object, error)
}

// cleanName turns a recording's uri into a path below the store's root: a relative path, or one that begins with one of
// the roots (an absolute directory, s3://bucket). Whatever would lead out of the root is ErrName.
func cleanName(uri string, roots ...string) (string, error) {
	for _, root := range roots {
		if rest, ok := strings.CutPrefix(uri, strings.TrimSuffix(root, "/")+"/"); ok && root != "" {
			uri = rest
			break
		}
	}
	if uri == "" || len(uri) > 1024 || strings.ContainsAny(uri, "\\\x00\r\n") || strings.Contains(uri, "://") || !fs.ValidPath(uri) || uri == "." {
		return "", ErrName
	}
	if u, err := url.PathUnescape(uri); err == nil && u != uri && !fs.ValidPath(u) { // %2e%2e is no name either
		return "", ErrName
	}
	return uri, nil
}

// Dir is a store in a directory of this machine. Symbolic links that lead out of it are not followed.
type Dir struct {
	root *os.Root
	path string
}

// OpenDir opens a directory of recordings.
func OpenDir(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of recordings: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of recordings: %w", err)
	}
	return &Dir{root, filepath.ToSlash(abs)}, nil
}

// Close the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Open a recording.
func (d *Dir) Open(_ context.Context, uri string) (*Object, error) {
	name, err := cleanName(uri, d.path, "file://"+d.path)
	if err != nil {
		return nil, err
	}
	f, err := d.root.Open(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrMissing
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, ErrMissing
	}
	return &Object{f, name, info.Size(), info.ModTime(), fmt.Sprint(info.Size(), "-", info.ModTime().UnixNano())}, nil
}

// S3Options say where a bucket is.
type S3Options struct {
	Endpoint, Bucket, Prefix, Region string
	AccessKey, SecretKey             string
	Insecure                         bool // http
}

// S3 is a store in a bucket.
type S3 struct {
	client *minio.Client
	opt    S3Options
}

// NewS3 makes the store; the bucket is asked when the first recording is.
func NewS3(opt S3Options) (*S3, error) {
	c, err := minio.New(opt.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(opt.AccessKey, opt.SecretKey, ""), Secure: !opt.Insecure, Region: opt.Region, MaxRetries: 3})
	if err != nil {
		return nil, fmt.Errorf("open the bucket of recordings: %w", err)
	}
	return &S3{c, opt}, nil
}

// Open a recording. Its parts are fetched as they are read.
func (s *S3) Open(ctx context.Context, uri string) (*Object, error) {
	name, err := cleanName(uri, "s3://"+s.opt.Bucket)
	if err != nil {
		return nil, err
	}
	o, err := s.client.GetObject(ctx, s.opt.Bucket, path.Join(s.opt.Prefix, name), minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the bucket for a recording: %w", err)
	}
	info, err := o.Stat()
	if err != nil {
		_ = o.Close()
		if code := minio.ToErrorResponse(err).Code; code == "NoSuchKey" || code == "NotFound" {
			return nil, ErrMissing
		}
		return nil, fmt.Errorf("ask the bucket for a recording: %w", err)
	}
	return &Object{o, name, info.Size, info.LastModified, info.ETag}, nil
}

// Sniff tells what a recording is from its first bytes, and goes back to the beginning. The type is one of audio/wav,
// audio/mpeg and audio/ogg; anything else is ErrUnreadable.
func Sniff(r io.ReadSeeker) (string, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read a recording: %w", err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("read a recording: %w", err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("RIFF")) && len(head) > 44 && string(head[8:12]) == "WAVE":
		return "audio/wav", nil
	case bytes.HasPrefix(head, []byte("OggS")) && bytes.Contains(head, []byte("OpusHead")):
		return "audio/ogg", nil
	case http.DetectContentType(head) == "audio/mpeg", len(head) > 4 && head[0] == 0xff && head[1]&0xe6 == 0xe2: // a frame of layer III without a tag
		return "audio/mpeg", nil
	}
	return "", ErrUnreadable
}
