package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/recording"
	"github.com/ringfence/ringfence/internal/rubric"
)

// QA is what the pages of quality monitoring need.
type QA struct {
	Desk       *qadesk.Desk
	Rubrics    []*rubric.Rubric // the first is the one new reviews use
	Conn       driver.Conn
	Recordings recording.Store // nil: none can be heard
	Waveforms  *recording.Waveforms
	// VerifyDay redoes the draw of a day; what it returns has the fields of `ringfence sampling verify`.
	VerifyDay func(ctx context.Context, day string) (any, error)
	// Number is the number a call went to, in the clear; ErrNoNumber where only its hash is kept.
	Number func(ctx context.Context, callID string) (string, error)
	// CalibrationTask is the task of a call that several raters are to hear.
	CalibrationTask func(ctx context.Context, callID, agentID string) (*event.QATask, error)
}

var (
	raters    = []string{identity.RoleQA, identity.RoleSupervisor, identity.RoleCompliance}
	leaders   = []string{identity.RoleSupervisor, identity.RoleCompliance}
	revealers = []string{identity.RoleCompliance, identity.RoleSupervisor}
)

// actor is the user as the queue knows him.
func actor(u *identity.User) *event.QAActor {
	return &event.QAActor{UserId: u.Name, Roles: u.Roles, TeamId: u.TeamID, AgentId: u.AgentID, PartnerId: u.PartnerID, Name: u.Shown()}
}

func (c *console) qaRoutes(mux *http.ServeMux) {
	mux.Handle("GET /console/queue", c.signedIn(c.queue, identity.RoleQA, identity.RoleSupervisor, identity.RoleCompliance))
	mux.Handle("POST /console/queue/next", c.signedIn(c.claimNext, raters...))
	mux.Handle("POST /console/tasks/{id}/{do}", c.signedIn(c.taskDo))
	mux.Handle("GET /console/review/{id}", c.signedIn(c.review))
	mux.Handle("POST /console/review/{id}/draft", c.signedIn(c.draft, raters...))
	mux.Handle("POST /console/review/{id}/score", c.signedIn(c.score, raters...))
	mux.Handle("POST /console/review/{id}/judge", c.signedIn(c.judge, leaders...))
	mux.Handle("POST /console/review/{id}/amend", c.signedIn(c.amend, leaders...))
	mux.Handle("POST /console/review/{id}/number", c.signedIn(c.number, revealers...))
	mux.Handle("GET /console/recordings/{id}", c.signedIn(c.listen))
	mux.Handle("GET /console/recordings/{id}/waveform", c.signedIn(c.waveform))
	mux.Handle("POST /console/recordings/{id}/download", c.signedIn(c.download, revealers...))
	mux.Handle("GET /console/team", c.signedIn(c.team, leaders...))
	mux.Handle("GET /console/appeals", c.signedIn(c.appeals, leaders...))
	mux.Handle("GET /console/me", c.signedIn(c.me, identity.RoleAgent))
	mux.Handle("GET /console/calibration", c.signedIn(c.calibration, raters...))
	mux.Handle("POST /console/calibration", c.signedIn(c.calibrate, leaders...))
	mux.Handle("GET /console/sampling", c.signedIn(c.sampling, raters...))
	mux.Handle("GET /console/search", c.signedIn(c.search, raters...))
}

// refused answers what the queue refused or did not answer.
func (c *console) refused(w http.ResponseWriter, r *http.Request, u *identity.User, err error) {
	var no *qadesk.Refusal
	if !errors.As(err, &no) {
		c.opt.Logger.Warn("the QA queue did not answer", "error", err)
		c.fail(w, r, http.StatusServiceUnavailable, "")
		return
	}
	switch no.Code {
	case qarules.Forbidden:
		c.denied(w, r, u, no.Detail)
	case qarules.NotFound:
		c.fail(w, r, http.StatusNotFound, "")
	case qarules.Invalid:
		c.fail(w, r, http.StatusUnprocessableEntity, no.Detail)
	case qarules.Expired:
		c.fail(w, r, http.StatusServiceUnavailable, "")
	default:
		c.fail(w, r, http.StatusConflict, no.Detail)
	}
}

// queueData is what the queue's page shows.
type queueData struct {
	Mine   []*event.QATaskState
	Page   qadesk.Page
	Filter qadesk.Filter
	Prev   int
	Next   int
	Now    int64
	None   bool
}

func (c *console) queue(w http.ResponseWriter, r *http.Request, u *identity.User) {
	q := r.URL.Query()
	offset, _ := strconv.Atoi(q.Get("offset"))
	f := qadesk.Filter{Draw: q.Get("draw"), Campaign: q.Get("campaign"), Overdue: q.Get("overdue") == "1", Complained: q.Get("complained") == "1", Offset: max(0, min(offset, 100_000)), Limit: 25}
	d := queueData{Mine: c.opt.QA.Desk.Mine(actor(u)), Page: c.opt.QA.Desk.Queue(actor(u), f), Filter: f, Prev: -1, Now: c.opt.Now().UnixMilli(), None: q.Get("none") == "1"}
	if f.Offset > 0 {
		d.Prev = max(0, f.Offset-f.Limit)
	}
	if d.Page.More {
		d.Next = f.Offset + f.Limit
	}
	c.show(w, r, http.StatusOK, "queue", "nav.queue", d)
}

func (c *console) claimNext(w http.ResponseWriter, r *http.Request, u *identity.User) {
	s, err := c.opt.QA.Desk.ClaimNext(r.Context(), actor(u), qadesk.Filter{Draw: r.PostFormValue("draw"), Campaign: r.PostFormValue("campaign")})
	var no *qadesk.Refusal
	if errors.As(err, &no) && no.Code == qarules.NotFound && !wantsJSON(r) {
		http.Redirect(w, r, "/console/queue?none=1", http.StatusSeeOther)
		return
	}
	if err != nil {
		c.refused(w, r, u, err)
		return
	}
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, map[string]string{"task_id": s.Task.TaskId})
		return
	}
	http.Redirect(w, r, "/console/review/"+url.PathEscape(s.Task.TaskId), http.StatusSeeOther)
}

// taskDo is what is done to a task by a button: claim, release, report, publish, appeal, decide.
func (c *console) taskDo(w http.ResponseWriter, r *http.Request, u *identity.User) {
	id, who, desk := r.PathValue("id"), actor(u), c.opt.QA.Desk
	back := localPath(r.PostFormValue("back"))
	text := func(name string) string { return maskedText(r.PostFormValue(name)) }
	var err error
	switch r.PathValue("do") {
	case "claim":
		_, err = desk.Claim(r.Context(), who, id)
		back = "/console/review/" + url.PathEscape(id)
	case "release":
		_, err = desk.Release(r.Context(), who, id, text("reason"))
		back = "/console/queue"
	case "report":
		_, err = desk.Report(r.Context(), who, id, r.PostFormValue("problem"), text("detail"))
		back = "/console/queue"
	case "publish":
		_, err = desk.Publish(r.Context(), who, id, r.PostFormValue("command"))
	case "appeal":
		if !c.reasoned(w, r, r.PostFormValue("text")) {
			return
		}
		_, err = desk.Appeal(r.Context(), who, id, r.PostFormValue("command"), text("text"), r.PostForm["checkpoints"])
		back = "/console/me"
	case "decide":
		if !c.reasoned(w, r, r.PostFormValue("reason")) {
			return
		}
		_, err = desk.Decide(r.Context(), who, id, r.PostFormValue("command"), &event.QADecide{Side: r.PostFormValue("side"), Vote: r.PostFormValue("vote"), Reason: text("reason")})
		back = "/console/appeals"
	default:
		c.fail(w, r, http.StatusNotFound, "")
		return
	}
	if err != nil {
		c.refused(w, r, u, err)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
