package httpapi

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/klauspost/compress/zstd"
)

// maxBody is the most bytes of a body, unpacked (CONTRACT.md section 1).
const maxBody = 16 << 20

var errTooLarge = fmt.Errorf("the body is larger than %d bytes", maxBody)

// readBody unpacks and reads the whole body; on failure it has answered.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxBody+1)
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			fail(w, http.StatusBadRequest, "The body is not gzip", err.Error())
			return nil, false
		}
		defer func() { _ = z.Close() }()
		in = z
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			fail(w, http.StatusBadRequest, "The body is not zstd", err.Error())
			return nil, false
		}
		defer z.Close()
		in = z
	default:
		fail(w, http.StatusUnsupportedMediaType, "The content encoding is not known", fmt.Sprintf("%q; gzip and zstd are", enc))
		return nil, false
	}
	b, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), len(b) > maxBody:
		fail(w, http.StatusRequestEntityTooLarge, "The body is too large", errTooLarge.Error())
		return nil, false
	case err != nil:
		fail(w, http.StatusBadRequest, "The body could not be read", err.Error())
		return nil, false
	}
	return b, true
}

// mediaType of the body: application/json unless said otherwise.
func mediaType(w http.ResponseWriter, r *http.Request, allowed ...string) (string, bool) {
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return "application/json", true
	}
	mt, _, err := mime.ParseMediaType(ct)
	if err == nil {
		for _, a := range allowed {
			if mt == a {
				return mt, true
			}
		}
	}
	fail(w, http.StatusUnsupportedMediaType, "The content type is not known here", fmt.Sprintf("%q; expected one of %v", ct, allowed))
	return "", false
}
