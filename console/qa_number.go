package console

import (
	"errors"
	"net/http"

	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
)

// ErrNoNumber is what QA.Number returns for a call of whose number the system keeps no copy, only the hash.
var ErrNoNumber = errors.New("no copy of the number is kept")

// numberData is what the page of a revealed number shows.
type numberData struct{ Task, Number string }

// number shows the number of a task's customer: with a reason, and on record before anybody sees it.
func (c *console) number(w http.ResponseWriter, r *http.Request, u *identity.User) {
	reason := r.PostFormValue("reason")
	if !c.reasoned(w, r, reason) {
		return
	}
	s := c.visible(w, r, u)
	if s == nil {
		return
	}
	n, err := c.opt.QA.Number(r.Context(), s.Task.CallId)
	switch {
	case errors.Is(err, ErrNoNumber):
		c.failAs(w, r, http.StatusNotFound, "problem.number")
		return
	case err != nil:
		c.broken(w, r, err)
		return
	}
	err = c.opt.Audit.Write(r.Context(), auditlog.Entry{Actor: u.Name, Roles: u.Roles, PartnerID: u.PartnerID, Action: auditlog.NumberRevealed, Kind: "call", Subject: s.Task.CallId,
		Reason: reason, Address: identity.Address(r), Source: "console", Detail: map[string]string{"task_id": s.Task.TaskId}})
	if err != nil {
		c.broken(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "number", "reveal.title", numberData{s.Task.TaskId, n})
}
