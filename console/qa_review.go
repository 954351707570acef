package console

import (
	"encoding/json"
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
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/rubric"
)

// reviewData is what the review's page shows.
type reviewData struct {
	State    *event.QATaskState
	Editing  bool // it is his to score
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

func (c *console) rubricOf(id string) *rubric.Rubric {
	for _, x := range c.opt.QA.Rubrics {
		if x.ID() == id {
			return x
		}
	}
	return c.opt.QA.Rubrics[0]
}

// visible is a task that a user may see, as it is now.
func (c *console) visible(w http.ResponseWriter, r *http.Request, u *identity.User) *event.QATaskState {
	s, ok := c.opt.QA.Desk.Task(r.PathValue("id"))
	if !ok {
		c.fail(w, r, http.StatusNotFound, "")
		return nil
	}
	if !c.maySee(u, s) {
		c.denied(w, r, u, "the task is not his to see")
		return nil
	}
	return s
}

func (c *console) maySee(u *identity.User, s *event.QATaskState) bool {
	who := actor(u)
	return qarules.Sees(who, s) || qarules.MayHear(who, s, c.opt.QA.Desk.Agent(s.Task.AgentId), c.opt.Now().UnixMilli()) == nil
}

func (c *console) review(w http.ResponseWriter, r *http.Request, u *identity.User) {
	s := c.visible(w, r, u)
	if s == nil {
		return
	}
	who, now := actor(u), c.opt.Now().UnixMilli()
	d := &reviewData{State: s, Command: uuid.NewString(), Answers: map[string]string{}, Notes: map[string]string{}, Lang: "en", Heard: c.opt.QA.Recordings != nil}
	if c.locale(r).Tag == "zh-CN" {
		d.Lang = "zh"
	}
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
		d.Amended = d.Amended || v.GetVote() == "amend"
	}
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
	d.Start = map[string]any{"task": s.Task.TaskId, "seq": seq, "sheet": json.RawMessage(sheet), "rubric": d.Rubric.ID(), "editing": d.Editing, "texts": texts, "command": d.Command}
	c.show(w, r, http.StatusOK, "review", "review.title", d)
}

// sentSheet is what the review's script sends.
type sentSheet struct {
	Seq     int64           `json:"seq"`
	Sheet   json.RawMessage `json:"sheet"`
	Publish bool            `json:"publish"`
	Command string          `json:"command"`
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
		writeProblem(w, http.StatusBadRequest, "the sheet cannot be read: "+err.Error())
		return nil, nil
	}
	if len(sheet.Markers) > mostMarkers || len(sheet.Checks) > 1000 {
		writeProblem(w, http.StatusRequestEntityTooLarge, "there are too many markers or answers")
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
