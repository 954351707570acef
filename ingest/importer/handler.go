package importer

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ringfence/ringfence/event"
)

// maxBody is the API's limit.
const maxBody = 16 << 20

// MarksHandler serves GET and PUT /v1/imports/{digest} and POST /v1/imports/dead-letter. The server that mounts it
// decides who may use it and masks what it puts into the dead letter.
func MarksHandler(m Marks, d DeadLetter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/imports/{digest}", func(w http.ResponseWriter, r *http.Request) {
		mark, err := m.Load(r.Context(), r.PathValue("digest"))
		switch {
		case err != nil:
			problem(w, http.StatusServiceUnavailable, err.Error())
		case mark == nil:
			problem(w, http.StatusNotFound, "no import of this file is known")
		default:
			b, err := protojson.Marshal(mark)
			if err != nil {
				problem(w, http.StatusInternalServerError, err.Error())
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(b)
		}
	})
	mux.HandleFunc("PUT /v1/imports/{digest}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("digest")
		if b, err := hex.DecodeString(id); err != nil || len(b) != 32 {
			problem(w, http.StatusBadRequest, "the digest is not 64 hexadecimal digits")
			return
		}
		b, ok := body(w, r)
		if !ok {
			return
		}
		mark := &event.ImportMark{}
		if err := protojson.Unmarshal(b, mark); err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
		if mark.Digest != id {
			problem(w, http.StatusUnprocessableEntity, "the mark's digest is not the path's")
			return
		}
		if err := m.Save(r.Context(), mark); err != nil {
			problem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /v1/imports/dead-letter", func(w http.ResponseWriter, r *http.Request) {
		b, ok := body(w, r)
		if !ok {
			return
		}
		var rows []Broken
		if err := json.Unmarshal(b, &rows); err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
		if err := d.Put(r.Context(), rows); err != nil {
			problem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			problem(w, http.StatusBadRequest, "not gzip: "+err.Error())
			return nil, false
		}
		in = io.LimitReader(z, maxBody+1)
	}
	b, err := io.ReadAll(in)
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big) || len(b) > maxBody:
		problem(w, http.StatusRequestEntityTooLarge, "the body is over 16 MiB")
	case err != nil:
		problem(w, http.StatusBadRequest, err.Error())
	default:
		return b, true
	}
	return nil, false
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail})
}
