package console

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/auditlog"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/recording"
)

// opened is the recording of a task the user may hear; the path comes from the task, never from the request.
func (c *console) opened(w http.ResponseWriter, r *http.Request, u *identity.User) (*event.QATaskState, *recording.Object, string) {
	s := c.visible(w, r, u)
	if s == nil {
		return nil, nil, ""
	}
	if c.opt.QA.Recordings == nil {
		c.fail(w, r, http.StatusNotFound, "")
		return nil, nil, ""
	}
	o, err := c.opt.QA.Recordings.Open(r.Context(), s.Task.RecordingUri)
	var kind string
	if err == nil {
		if kind, err = recording.Sniff(o); err != nil {
			_ = o.Close()
		}
	}
	switch {
	case errors.Is(err, recording.ErrMissing), errors.Is(err, recording.ErrName):
		c.unheard(w, r, http.StatusNotFound, "missing")
	case errors.Is(err, recording.ErrUnreadable):
		c.unheard(w, r, http.StatusUnsupportedMediaType, "unreadable")
	case err != nil:
		c.opt.Logger.Error("a recording cannot be read", "task", s.Task.TaskId, "error", err)
		c.unheard(w, r, http.StatusServiceUnavailable, "unavailable")
	default:
		return s, o, kind
	}
	return nil, nil, ""
}

// unheard says why a recording cannot be heard: to the player in one of the words its script knows, to who downloads it
// in a sentence.
func (c *console) unheard(w http.ResponseWriter, r *http.Request, status int, why string) {
	if r.Method == http.MethodPost {
		c.failAs(w, r, status, "script."+why)
		return
	}
	writeProblem(w, status, http.StatusText(status), why)
}

// listen sends a recording, or the part of it that is asked for.
func (c *console) listen(w http.ResponseWriter, r *http.Request, u *identity.User) {
	s, o, kind := c.opened(w, r, u)
	if o == nil {
		return
	}
	defer func() { _ = o.Close() }()
	if err := c.played(r, u, s); err != nil {
		c.broken(w, r, err)
		return
	}
	c.send(w, r, o, kind)
}

// playedAgain is how long one record of a recording that was played stands for: a player asks for it in many parts.
const playedAgain = time.Hour

// played writes down that somebody hears a recording, before its first byte is sent; once an hour for a session.
func (c *console) played(r *http.Request, u *identity.User, s *event.QATaskState) error {
	key, now := sessionOf(r).ID+"\x00"+s.Task.TaskId, c.opt.Now()
	if at, ok := c.heard.Get(key); ok && now.Sub(at) < playedAgain {
		return nil
	}
	err := c.opt.Audit.Write(r.Context(), auditlog.Entry{Actor: u.Name, Roles: u.Roles, PartnerID: u.PartnerID, Action: auditlog.RecordingPlayed, Kind: "call", Subject: s.Task.CallId,
		Address: identity.Address(r), Source: "console", Detail: map[string]string{"task_id": s.Task.TaskId}})
	if err == nil {
		c.heard.Add(key, now)
	}
	return err
}

func (c *console) send(w http.ResponseWriter, r *http.Request, o *recording.Object, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Accept-Ranges", "bytes")
	http.ServeContent(w, r, "", o.Modified, o)
}

func (c *console) waveform(w http.ResponseWriter, r *http.Request, u *identity.User) {
	s, o, _ := c.opened(w, r, u)
	if o == nil {
		return
	}
	defer func() { _ = o.Close() }()
	x, err := c.opt.QA.Waveforms.Of(o)
	switch {
	case errors.Is(err, recording.ErrUnreadable):
		c.unheard(w, r, http.StatusUnsupportedMediaType, "unreadable")
	case err != nil:
		c.opt.Logger.Error("a waveform cannot be computed", "task", s.Task.TaskId, "error", err)
		c.unheard(w, r, http.StatusServiceUnavailable, "unavailable")
	default:
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, http.StatusOK, x)
	}
}

// download hands a recording out as a file: with a reason, and on record before the first byte.
func (c *console) download(w http.ResponseWriter, r *http.Request, u *identity.User) {
	reason := r.PostFormValue("reason")
	if !c.reasoned(w, r, reason) {
		return
	}
	s, o, kind := c.opened(w, r, u)
	if o == nil {
		return
	}
	defer func() { _ = o.Close() }()
	err := c.opt.Audit.Write(r.Context(), auditlog.Entry{Actor: u.Name, Roles: u.Roles, PartnerID: u.PartnerID, Action: auditlog.RecordingDownloaded, Kind: "call", Subject: s.Task.CallId,
		Reason: reason, Address: identity.Address(r), Source: "console", Detail: map[string]string{"task_id": s.Task.TaskId, "bytes": fmt.Sprint(o.Size)}})
	if err != nil {
		c.broken(w, r, err)
		return
	}
	ext := map[string]string{"audio/wav": ".wav", "audio/mpeg": ".mp3", "audio/ogg": ".opus"}[kind]
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "recording-"+path.Base("/"+s.Task.Day)+"-"+s.Task.AgentId+ext))
	c.send(w, r, o, kind)
}
