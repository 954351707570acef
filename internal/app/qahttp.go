package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
)

// maxQABody is the most bytes of a body under /v1/qa.
const maxQABody = 1 << 20

func (a *App) mountQA() {
	if a.desk == nil {
		return
	}
	raters := []string{"qa", "supervisor", "compliance"}
	whole := func(h http.HandlerFunc) http.Handler { return httpapi.Whole(h) } // of all partners: not for one that is confined to his own
	a.api.Handle("GET /v1/qa/tasks", http.HandlerFunc(a.qaTasks), raters...)
	a.api.Handle("GET /v1/qa/tasks/{id}", http.HandlerFunc(a.qaTask), raters...)
	a.api.Handle("GET /v1/qa/appeals", http.HandlerFunc(a.qaAppeals), raters...)
	a.api.Handle("GET /v1/qa/workload", whole(a.qaWorkload), "supervisor", "compliance")
	a.api.Handle("GET /v1/qa/rubrics", http.HandlerFunc(a.qaRubrics), raters...)
	a.api.Handle("POST /v1/qa/claim", http.HandlerFunc(a.qaClaim), raters...)
	a.api.Handle("POST /v1/qa/tasks/{id}/{do}", http.HandlerFunc(a.qaDo), raters...)
	a.api.Handle("POST /v1/qa/recusals", whole(a.qaRecuse), raters...)
	a.api.Handle("POST /v1/qa/exemptions", whole(a.qaExempt), "supervisor", "compliance")
	if a.conn != nil {
		a.api.Handle("GET /v1/qa/calibrations/{id}", whole(a.qaCalibration), "supervisor", "compliance")
		a.api.Handle("GET /v1/qa/drift", whole(a.qaDrift), "supervisor", "compliance")
	}
	a.api.Handle("POST /v1/qa/calibrations", whole(a.qaCalibrate), "supervisor", "compliance")
}

// asJSON is for whom a command is given: a token with role admin may speak for somebody, as a console does.
type asJSON struct {
	UserID    string   `json:"user_id"`
	Name      string   `json:"name"`
	Roles     []string `json:"roles"`
	TeamID    string   `json:"team_id"`
	AgentID   string   `json:"agent_id"`
	PartnerID string   `json:"partner_id"`
}

// actor is who a request is from: the token's holder, or for an admin who is named in "as" (in a GET: query ?as=JSON).
func actor(r *http.Request, as *asJSON) (*event.QAActor, error) {
	u := httpapi.User(r)
	who := &event.QAActor{UserId: u.Name, Roles: u.Roles, TeamId: u.TeamID, AgentId: u.AgentID, PartnerId: u.PartnerID, Name: u.Shown()}
	if as == nil {
		return who, nil
	}
	if !qarules.Is(who, "admin") {
		return nil, &qadesk.Refusal{Code: qarules.Forbidden, Pointer: "/as", Detail: "only a token with role admin speaks for others"}
	}
	if as.UserID == "" {
		return nil, &qadesk.Refusal{Code: qarules.Invalid, Pointer: "/as/user_id", Detail: "user_id is needed"}
	}
	partner := as.PartnerID
	if who.PartnerId != "" {
		partner = who.PartnerId
	}
	return &event.QAActor{UserId: as.UserID, Name: as.Name, Roles: as.Roles, TeamId: as.TeamID, AgentId: as.AgentID, PartnerId: partner}, nil
}

func asQuery(r *http.Request) (*event.QAActor, error) {
	q := r.URL.Query().Get("as")
	if q == "" {
		return actor(r, nil)
	}
	var as asJSON
	if err := strict(strings.NewReader(q), &as); err != nil {
		return nil, err
	}
	return actor(r, &as)
}

// strict reads one JSON object and refuses fields it does not know.
func strict(in io.Reader, into any) error {
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var typ *json.UnmarshalTypeError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return err
	case errors.Is(err, io.EOF):
		return nil // no body: nothing is said
	case errors.As(err, &typ):
		return &notForm{"/" + strings.ReplaceAll(typ.Field, ".", "/"), "expected " + typ.Type.String() + ", not " + typ.Value}
	case err != nil:
		detail := strings.TrimPrefix(err.Error(), "json: ")
		if name, ok := strings.CutPrefix(detail, "unknown field "); ok {
			return &notForm{"/" + strings.Trim(name, `"`), detail}
		}
		return &notForm{"", detail}
	case d.More():
		return &notForm{"", "one object is expected"}
	}
	return nil
}

// notForm is a body that is not of the right form (400).
type notForm struct{ pointer, detail string }

func (e *notForm) Error() string { return strings.TrimPrefix(e.pointer+": "+e.detail, ": ") }

func qaAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// qaFail answers what was refused or failed.
func qaFail(w http.ResponseWriter, err error) {
	var r *qadesk.Refusal
	var f *notForm
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		httpapi.Problem(w, http.StatusRequestEntityTooLarge, "The body is too large", fmt.Sprintf("at most %d bytes are taken", large.Limit))
	case errors.As(err, &f):
		httpapi.Problem(w, http.StatusBadRequest, "The object is not of the right form", f.Error())
	case errors.As(err, &r):
		status := map[string]int{qarules.NotFound: 404, qarules.Taken: 409, qarules.Forbidden: 403, qarules.Conflict: 409, qarules.Late: 409, qarules.Invalid: 422, qarules.Expired: 503}[r.Code]
		httpapi.Problem(w, status, "Refused: "+r.Code, strings.TrimPrefix(r.Pointer+": "+r.Detail, ": "))
	default:
		w.Header().Set("Retry-After", "1")
		httpapi.Problem(w, http.StatusServiceUnavailable, "Not now", err.Error())
	}
}

func qaFilter(q url.Values) (f qadesk.Filter, err error) {
	for name, values := range q {
		v := values[0]
		switch name {
		case "agent":
			f.Agent = v
		case "team":
			f.Team = v
		case "campaign":
			f.Campaign = v
		case "draw":
			f.Draw = v
		case "rater":
			f.Rater = v
		case "status":
			f.Status = v
		case "overdue":
			f.Overdue, err = strconv.ParseBool(v)
		case "complained":
			f.Complained, err = strconv.ParseBool(v)
		case "offset":
			f.Offset, err = strconv.Atoi(v)
		case "limit":
			f.Limit, err = strconv.Atoi(v)
		case "as", "list":
		default:
			return f, &notForm{"", fmt.Sprintf("parameter %q is not known: agent, team, campaign, draw, rater, status, overdue, complained, offset, limit, list, as are", name)}
		}
		if err != nil || f.Offset < 0 {
			return f, &notForm{"", fmt.Sprintf("parameter %s: %q does not fit", name, v)}
		}
	}
	return f, nil
}

// qaTasks answers GET /v1/qa/tasks?list=queue|mine|results: what the caller may take, holds, or may see the results of.
func (a *App) qaTasks(w http.ResponseWriter, r *http.Request) {
	who, err := asQuery(r)
	f, ferr := qaFilter(r.URL.Query())
	if err = errors.Join(err, ferr); err != nil {
		qaFail(w, err)
		return
	}
	var p qadesk.Page
	switch r.URL.Query().Get("list") {
	case "", "queue":
		p = a.desk.Queue(who, f)
	case "mine":
		p.Tasks = a.desk.Mine(who)
	case "results":
		p = a.desk.Results(who, f)
	default:
		qaFail(w, &notForm{"", "parameter list: expected queue, mine or results"})
		return
	}
	out := map[string]any{"tasks": a.taskList(p.Tasks), "more": p.More}
	if p.Count != nil {
		out["open"], out["count"] = p.Open, p.Count
	}
	qaAnswer(w, out)
}

func (a *App) taskList(tasks []*event.QATaskState) []*taskJSON {
	out := []*taskJSON{}
	for _, s := range tasks {
		out = append(out, a.taskJSON(s))
	}
	return out
}

func (a *App) qaTask(w http.ResponseWriter, r *http.Request) {
	who, err := asQuery(r)
	if err != nil {
		qaFail(w, err)
		return
	}
	s, err := a.desk.Task(who, r.PathValue("id"))
	a.qaState(w, s, err)
}

func (a *App) qaAppeals(w http.ResponseWriter, r *http.Request) {
	who, err := asQuery(r)
	if err != nil {
		qaFail(w, err)
		return
	}
	qaAnswer(w, map[string]any{"tasks": a.taskList(a.desk.Appeals(who))})
}

func (a *App) qaWorkload(w http.ResponseWriter, _ *http.Request) {
	qaAnswer(w, map[string]any{"raters": a.desk.Workload()})
}

func (a *App) qaRubrics(w http.ResponseWriter, _ *http.Request) {
	out := []map[string]any{}
	for _, r := range a.rubrics {
		out = append(out, rubricJSON(r))
	}
	qaAnswer(w, map[string]any{"rubrics": out})
}

// qaBody reads the body of a command and who gives it.
func qaBody[T any](w http.ResponseWriter, r *http.Request, into *T, as func(*T) *asJSON) (*event.QAActor, bool) {
	err := strict(http.MaxBytesReader(w, r.Body, maxQABody), into)
	if err != nil {
		qaFail(w, err)
		return nil, false
	}
	who, err := actor(r, as(into))
	if err != nil {
		qaFail(w, err)
		return nil, false
	}
	return who, true
}

func (a *App) qaClaim(w http.ResponseWriter, r *http.Request) {
	var body struct {
		As *asJSON `json:"as"`
	}
	who, ok := qaBody(w, r, &body, func(b *struct {
		As *asJSON `json:"as"`
	}) *asJSON {
		return b.As
	})
	f, err := qaFilter(r.URL.Query())
	if !ok {
		return
	}
	if err != nil {
		qaFail(w, err)
		return
	}
	s, err := a.desk.ClaimNext(r.Context(), who, f)
	a.qaState(w, s, err)
}

func (a *App) qaState(w http.ResponseWriter, s *event.QATaskState, err error) {
	if err != nil {
		qaFail(w, err)
		return
	}
	qaAnswer(w, a.taskJSON(s))
}

// commandJSON is the body of POST /v1/qa/tasks/{id}/{do}; each command uses what it needs.
type commandJSON struct {
	As          *asJSON    `json:"as"`
	CommandID   string     `json:"command_id"`
	Reason      string     `json:"reason"`
	Seq         int64      `json:"seq"`
	Sheet       *sheetJSON `json:"sheet"`
	Publish     bool       `json:"publish"`
	Text        string     `json:"text"`
	Checkpoints []string   `json:"checkpoints"`
	Side        string     `json:"side"`
	Vote        string     `json:"vote"`
	Amended     *sheetJSON `json:"amended"`
	Problem     string     `json:"problem"`
	Detail      string     `json:"detail"`
	UserID      string     `json:"user_id"`
}

func (a *App) qaDo(w http.ResponseWriter, r *http.Request) {
	var b commandJSON
	who, ok := qaBody(w, r, &b, func(b *commandJSON) *asJSON { return b.As })
	if !ok {
		return
	}
	ctx, id, d := r.Context(), r.PathValue("id"), a.desk
	var s *event.QATaskState
	var err error
	switch r.PathValue("do") {
	case "claim":
		s, err = d.Claim(ctx, who, id)
	case "release":
		s, err = d.Release(ctx, who, id, b.Reason)
	case "draft":
		s, err = d.Draft(ctx, who, id, b.Seq, b.Sheet.message())
	case "score":
		s, err = d.Score(ctx, who, id, b.CommandID, b.Sheet.message(), b.Publish)
	case "publish":
		s, err = d.Publish(ctx, who, id, b.CommandID)
	case "appeal":
		s, err = d.Appeal(ctx, who, id, b.CommandID, b.Text, b.Checkpoints)
	case "decide":
		s, err = d.Decide(ctx, who, id, b.CommandID, &event.QADecide{Side: b.Side, Vote: b.Vote, Reason: b.Reason, Amended: b.Amended.message()})
	case "report":
		s, err = d.Report(ctx, who, id, b.Problem, b.Detail)
	case "assign":
		s, err = d.Assign(ctx, who, id, b.UserID)
	default:
		err = &qadesk.Refusal{Code: qarules.NotFound, Detail: "a task can be claimed, released, drafted, scored, published, appealed, decided, reported and assigned"}
	}
	a.qaState(w, s, err)
}

func (a *App) qaRecuse(w http.ResponseWriter, r *http.Request) {
	type body struct {
		As      *asJSON `json:"as"`
		AgentID string  `json:"agent_id"`
		UserID  string  `json:"user_id"`
		Reason  string  `json:"reason"`
		Lift    bool    `json:"lift"`
	}
	var b body
	who, ok := qaBody(w, r, &b, func(b *body) *asJSON { return b.As })
	if !ok {
		return
	}
	x, err := a.desk.Recuse(r.Context(), who, b.AgentID, &event.QARecuse{UserId: b.UserID, Reason: b.Reason, Lift: b.Lift})
	if err != nil {
		qaFail(w, err)
		return
	}
	list := []map[string]any{}
	for _, c := range x.GetRecusals() {
		list = append(list, map[string]any{"user_id": c.UserId, "reason": c.Reason, "by": c.By, "at": a.instant(c.At)})
	}
	qaAnswer(w, map[string]any{"agent_id": b.AgentID, "recusals": list})
}

func (a *App) qaExempt(w http.ResponseWriter, r *http.Request) {
	type body struct {
		As     *asJSON            `json:"as"`
		Agents []string           `json:"agents"`
		Totals map[string]float64 `json:"totals"` // of last period: the top of them are exempt, in place of agents
		Top    int                `json:"top"`    // how many, ties included; default 8 (SMP-06)
		Period string             `json:"period"`
		Reason string             `json:"reason"`
		Lift   bool               `json:"lift"`
	}
	var b body
	who, ok := qaBody(w, r, &b, func(b *body) *asJSON { return b.As })
	if !ok {
		return
	}
	if len(b.Totals) > 0 {
		if b.Top == 0 {
			b.Top = 8
		}
		b.Agents = append(b.Agents, qarules.Top(b.Totals, b.Top)...)
	}
	for _, agent := range b.Agents {
		if _, err := a.desk.Exempt(r.Context(), who, agent, &event.QAExempt{Period: b.Period, Reason: b.Reason, Lift: b.Lift}); err != nil {
			qaFail(w, err)
			return
		}
	}
	qaAnswer(w, map[string]any{"period": b.Period, "agents": b.Agents, "exempt": !b.Lift})
}

func (a *App) qaCalibrate(w http.ResponseWriter, r *http.Request) {
	type body struct {
		As            *asJSON  `json:"as"`
		CalibrationID string   `json:"calibration_id"`
		CallID        string   `json:"call_id"`
		AgentID       string   `json:"agent_id"`
		Raters        []string `json:"raters"`
	}
	var b body
	who, ok := qaBody(w, r, &b, func(b *body) *asJSON { return b.As })
	if !ok {
		return
	}
	task, err := a.calibrationTask(r.Context(), b.CallID, b.AgentID)
	if err == nil {
		err = a.desk.Calibrate(r.Context(), who, &event.QACalibrate{CalibrationId: b.CalibrationID, Task: task, Raters: b.Raters})
	}
	if err != nil {
		qaFail(w, err)
		return
	}
	qaAnswer(w, map[string]any{"calibration_id": b.CalibrationID, "raters": b.Raters})
}
