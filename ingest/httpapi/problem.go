package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/ringfence/ringfence/ingest/decode"
)

// problem is RFC 9457's object.
type problem struct {
	Type   string           `json:"type"`
	Title  string           `json:"title"`
	Status int              `json:"status"`
	Detail string           `json:"detail,omitempty"`
	Errors []decode.Problem `json:"errors,omitempty"`
}

func fail(w http.ResponseWriter, status int, title, detail string, errs ...decode.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Del("Content-Encoding")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{Type: "about:blank", Title: title, Status: status, Detail: detail, Errors: errs})
}

// refuse answers what is wrong with an object.
func refuse(w http.ResponseWriter, p decode.Problems) {
	title := "The object is not of the right form"
	if p.Status() == http.StatusUnprocessableEntity {
		title = "The object holds values that cannot be"
	}
	fail(w, p.Status(), title, p.Error(), p...)
}

func busy(w http.ResponseWriter, seconds int) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	fail(w, http.StatusTooManyRequests, "Too much at once", "try again in "+strconv.Itoa(seconds)+" s")
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "The answer could not be written", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// ProblemAt answers an RFC 9457 problem with the one field or parameter that is wrong.
func ProblemAt(w http.ResponseWriter, status int, title, pointer, detail string) {
	p := decode.Problem{Pointer: pointer, Detail: detail}
	fail(w, status, title, decode.Problems{p}.Error(), p)
}

// Problem answers an RFC 9457 problem, for the handlers that others mount.
func Problem(w http.ResponseWriter, status int, title, detail string) { fail(w, status, title, detail) }
