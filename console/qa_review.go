package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/number"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/rubric"
)

// reviewData is what the review's page shows.
type reviewData struct {
	State    *event.QATaskState
	Editing  bool            // it is his to score
	Amends   string          // the side for which he amends it: support or leader
	Proposed *event.QAReview // what the other side proposes in its place
	Charges  []charge
	MayClaim bool
	Rubric   *rubric.Rubric
	Lang     string // of the rubric's wordings
	Answers  map[string]string
	Notes    map[string]string // comments by checkpoint
	Sheet    *event.QASheet
	Start    any // what the script begins with
	Call     *callFacts
	Command  string
	Reveals  bool
	May      map[string]bool // publish, appeal, support, leader
	Heard    bool            // a recording can be heard
	Amended  bool            // the other side has voted for an amended sheet
}

// Taboos are the forbidden sentences that were said.
func (d *reviewData) Taboos() []rubric.Taboo {
	var out []rubric.Taboo
	for _, x := range d.Rubric.Taboos {
		if d.Answers[x.ID] == rubric.Yes {
			out = append(out, x)
		}
	}
	return out
}

// charge is a penalty, in the reader's language.
type charge struct {
	Title  string
	Amount float64
}

// Enters tells whether the sheet can be changed.
func (d *reviewData) Enters() bool { return d.Editing || d.Amends != "" }

// Closed tells whether the review can no longer change.
func (d *reviewData) Closed() bool { return d.State.Status == qarules.Closed }

func (d *reviewData) charges() {
	titles := map[string]string{}
	for _, x := range d.Rubric.Tariff {
		titles[x.ID] = x.Title.In(d.Lang)
	}
	for _, p := range d.State.Review.GetPenalties() {
		d.Charges = append(d.Charges, charge{cmp.Or(titles[p.Id], p.Title, p.Id), p.Amount})
	}
}

func (c *console) rubricOf(id string) *rubric.Rubric {
	for _, x := range c.opt.QA.Rubrics {
		if x.ID() == id {
			return x
		}
	}
	return c.opt.QA.Rubrics[0]
}

// visible is a task that a user may see, as it is now, or as it was when it was closed.
func (c *console) visible(w http.ResponseWriter, r *http.Request, u *identity.User) *event.QATaskState {
	who, id := actor(u), r.PathValue("id")
	s, err := c.opt.QA.Desk.Task(who, id)
	var no *qadesk.Refusal
	if errors.As(err, &no) && no.Code == qarules.NotFound {
		s, err = c.closed(r.Context(), id)
		if err == nil && s == nil {
			c.fail(w, r, http.StatusNotFound, "")
			return nil
		}
		if err == nil && !qarules.Sees(who, s) {
			err = &qadesk.Refusal{Code: qarules.Forbidden, Detail: "the review is not yours to see"}
		}
	}
	switch {
	case errors.As(err, &no):
		c.denied(w, r, u, no.Detail)
		return nil
	case err != nil:
		c.broken(w, r, err)
		return nil
	}
	return s
}

func (c *console) review(w http.ResponseWriter, r *http.Request, u *identity.User) {
	s := c.visible(w, r, u)
	if s == nil {
		return
	}
	who, now := actor(u), c.opt.Now().UnixMilli()
	d := &reviewData{State: s, Command: uuid.NewString(), Answers: map[string]string{}, Notes: map[string]string{}, Lang: c.locale(r).rubrics(), Heard: c.opt.QA.Recordings != nil}
	d.Editing = s.Status == qarules.Claimed && s.ClaimedBy.GetUserId() == u.Name
	d.MayClaim = !d.Editing && qarules.MayClaim(who, s, c.opt.QA.Desk.Agent(s.Task.AgentId), now) == nil
	d.Sheet = s.Review.GetSheet()
	seq := int64(0)
	if d.Editing {
		d.Sheet, seq = s.Draft.GetSheet(), s.Draft.GetSeq()
	}
	if d.Sheet == nil {
		d.Sheet = &event.QASheet{Rubric: c.opt.QA.Rubrics[0].ID(), Sale: s.Task.Sale}
	}
	d.Rubric = c.rubricOf(d.Sheet.Rubric)
	for _, k := range d.Sheet.Checks {
		d.Answers[k.Id], d.Notes[k.Id] = k.Answer, k.Comment
	}
	d.Reveals = u.Is(revealers...)
	d.May = map[string]bool{
		"publish": s.Status == qarules.Scored && (s.Review.GetRater().GetUserId() == u.Name || u.Is(leaders...)),
		"appeal":  qarules.MayAppeal(who, s, now) == nil,
		"support": qarules.MayDecide(who, "support", s) == nil,
		"leader":  qarules.MayDecide(who, "leader", s) == nil,
	}
	for _, v := range []*event.QAVote{s.Appeal.GetSupport(), s.Appeal.GetLeader()} {
		if v.GetVote() == "amend" && s.Status == qarules.Appealed {
			d.Amended = true
			d.Proposed, _ = rubric.Score(c.rubricOf(v.GetAmended().GetRubric()), v.GetAmended())
		}
	}
	if r.URL.Query().Get("amend") == "1" && !d.Amended {
		switch {
		case d.May["support"]:
			d.Amends = "support"
		case d.May["leader"]:
			d.Amends = "leader"
		}
	}
	d.charges()
	var err error
	if d.Call, err = c.callFacts(r.Context(), s.Task.CallId); err != nil {
		c.broken(w, r, err)
		return
	}
	texts, err := c.locale(r).messages("script")
	if err != nil {
		c.broken(w, r, err)
		return
	}
	sheet, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(d.Sheet)
	if err != nil {
		c.broken(w, r, err)
		return
	}
	d.Start = map[string]any{"task": s.Task.TaskId, "seq": seq, "sheet": json.RawMessage(sheet), "rubric": d.Rubric.ID(), "editing": d.Editing, "amends": d.Amends, "texts": texts, "command": d.Command}
	c.show(w, r, http.StatusOK, "review", "review.title", d)
}

// sentSheet is what the review's script sends.
type sentSheet struct {
	Seq     int64           `json:"seq"`
	Sheet   json.RawMessage `json:"sheet"`
	Publish bool            `json:"publish"`
	Command string          `json:"command"`
	Side    string          `json:"side"`   // of amend
	Reason  string          `json:"reason"` // of amend
}

// Bounds of what a rater may write.
const (
	mostText    = 4000
	mostMarkers = 200
)

func maskedText(s string) string {
	r := []rune(s)
	return number.MaskText(string(r[:min(len(r), mostText)]))
}

// readSheet reads a sheet a page sent; numbers in its texts are masked before anybody keeps them.
func (c *console) readSheet(w http.ResponseWriter, r *http.Request) (*sentSheet, *event.QASheet) {
	var in sentSheet
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	sheet := &event.QASheet{}
	if err == nil {
		err = protojson.Unmarshal(in.Sheet, sheet)
	}
	if err != nil {
		c.opt.Logger.Warn("a sheet cannot be read", "path", r.URL.Path, "error", err)
		c.fail(w, r, http.StatusBadRequest, "")
		return nil, nil
	}
	if len(sheet.Markers) > mostMarkers || len(sheet.Checks) > 1000 {
		c.fail(w, r, http.StatusRequestEntityTooLarge, "")
		return nil, nil
	}
	sheet.Comment = maskedText(sheet.Comment)
	for _, k := range sheet.Checks {
		k.Comment = maskedText(k.Comment)
	}
	for _, m := range sheet.Markers {
		m.Text = maskedText(m.Text)
	}
	slices.SortStableFunc(sheet.Markers, func(a, b *event.QAMarker) int { return int(a.AtMs - b.AtMs) })
	return &in, sheet
}

// judged is what a sheet is worth so far, for the screen.
func (c *console) judged(sheet *event.QASheet) map[string]any {
	review, problems := rubric.Score(c.rubricOf(sheet.Rubric), sheet)
	return map[string]any{"score": review.Score, "fatal": review.Fatal, "passed": review.Passed, "open": len(problems), "standards_met": review.StandardsMet, "sale": review.Sale}
}

func (c *console) draft(w http.ResponseWriter, r *http.Request, u *identity.User) {
	in, sheet := c.readSheet(w, r)
	if in == nil {
		return
	}
	s, err := c.opt.QA.Desk.Draft(r.Context(), actor(u), r.PathValue("id"), in.Seq, sheet)
	if err != nil {
		c.refused(w, r, u, err)
		return
	}
	out := c.judged(sheet)
	out["seq"], out["saved_at"], out["until"] = s.Draft.GetSeq(), c.opt.Now().In(c.opt.Zone).Format("15:04:05"), time.UnixMilli(s.ClaimExpiresAt).In(c.opt.Zone).Format("15:04")
	writeJSON(w, http.StatusOK, out)
}

// judge says what a sheet would be worth; nothing is kept.
func (c *console) judge(w http.ResponseWriter, r *http.Request, u *identity.User) {
	if c.visible(w, r, u) == nil {
		return
	}
	if in, sheet := c.readSheet(w, r); in != nil {
		writeJSON(w, http.StatusOK, c.judged(sheet))
	}
}

// amend votes on an appeal with the sheet as it should be (APL-01).
func (c *console) amend(w http.ResponseWriter, r *http.Request, u *identity.User) {
	in, sheet := c.readSheet(w, r)
	if in == nil {
		return
	}
	if !c.reasoned(w, r, in.Reason) {
		return
	}
	id := r.PathValue("id")
	if _, err := c.opt.QA.Desk.Decide(r.Context(), actor(u), id, in.Command, &event.QADecide{Side: in.Side, Vote: "amend", Reason: maskedText(in.Reason), Amended: sheet}); err != nil {
		c.refused(w, r, u, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"next": "/console/appeals"})
}

func (c *console) score(w http.ResponseWriter, r *http.Request, u *identity.User) {
	in, sheet := c.readSheet(w, r)
	if in == nil {
		return
	}
	s, err := c.opt.QA.Desk.Score(r.Context(), actor(u), r.PathValue("id"), in.Command, sheet, in.Publish)
	if err != nil {
		c.refused(w, r, u, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"score": s.Review.GetScore(), "status": s.Status, "next": "/console/review/" + url.PathEscape(s.Task.TaskId)})
}
