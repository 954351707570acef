package app

import (
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/rubric"
)

// What /v1/qa answers: snake_case, times RFC 3339 in the reporting zone, absent where there is nothing.

type sheetJSON struct {
	Rubric  string       `json:"rubric"`
	Sale    bool         `json:"sale"`
	Comment string       `json:"comment,omitempty"`
	Checks  []checkJSON  `json:"checks"`
	Markers []markerJSON `json:"markers,omitempty"`
}

type checkJSON struct {
	ID      string `json:"id"`
	Answer  string `json:"answer"`
	Comment string `json:"comment,omitempty"`
}

type markerJSON struct {
	AtMS       int64  `json:"at_ms"`
	Text       string `json:"text"`
	Checkpoint string `json:"checkpoint,omitempty"`
}

func (s *sheetJSON) message() *event.QASheet {
	if s == nil {
		return nil
	}
	out := &event.QASheet{Rubric: s.Rubric, Sale: s.Sale, Comment: s.Comment}
	for _, c := range s.Checks {
		out.Checks = append(out.Checks, &event.QACheck{Id: c.ID, Answer: c.Answer, Comment: c.Comment})
	}
	for _, m := range s.Markers {
		out.Markers = append(out.Markers, &event.QAMarker{AtMs: m.AtMS, Text: m.Text, Checkpoint: m.Checkpoint})
	}
	return out
}

func sheetOf(s *event.QASheet) *sheetJSON {
	if s == nil {
		return nil
	}
	out := &sheetJSON{Rubric: s.Rubric, Sale: s.Sale, Comment: s.Comment, Checks: []checkJSON{}}
	for _, c := range s.Checks {
		out.Checks = append(out.Checks, checkJSON{c.Id, c.Answer, c.Comment})
	}
	for _, m := range s.Markers {
		out.Markers = append(out.Markers, markerJSON{m.AtMs, m.Text, m.Checkpoint})
	}
	return out
}

type taskJSON struct {
	TaskID         string       `json:"task_id"`
	Status         string       `json:"status"`
	Revision       uint64       `json:"revision"`
	CallID         string       `json:"call_id"`
	AgentID        string       `json:"agent_id"`
	TeamID         string       `json:"team_id,omitempty"`
	CampaignID     string       `json:"campaign_id,omitempty"`
	PartnerID      string       `json:"partner_id,omitempty"`
	Draw           string       `json:"draw"`
	Reason         string       `json:"reason"`
	ForRole        string       `json:"for_role"`
	Period         string       `json:"period,omitempty"`
	Sale           bool         `json:"sale"`
	DrawnAt        *time.Time   `json:"drawn_at,omitempty"`
	CallStartedAt  *time.Time   `json:"call_started_at,omitempty"`
	DueAt          *time.Time   `json:"due_at,omitempty"`
	Complaints     []string     `json:"complaints,omitempty"`
	AssignedTo     string       `json:"assigned_to,omitempty"`
	ClaimedBy      string       `json:"claimed_by,omitempty"`
	ClaimExpiresAt *time.Time   `json:"claim_expires_at,omitempty"`
	DraftSeq       int64        `json:"draft_seq,omitempty"`
	Draft          *sheetJSON   `json:"draft,omitempty"`
	Review         *reviewJSON  `json:"review,omitempty"`
	Original       *reviewJSON  `json:"original,omitempty"`
	Appeal         *appealJSON  `json:"appeal,omitempty"`
	AppealUntil    *time.Time   `json:"appeal_until,omitempty"`
	Incident       *problemJSON `json:"incident,omitempty"`
	CalibrationID  string       `json:"calibration_id,omitempty"`
	Replaces       string       `json:"replaces,omitempty"`
}

type reviewJSON struct {
	ReviewID     string        `json:"review_id"`
	Rater        string        `json:"rater"`
	Role         string        `json:"role"`
	Score        float64       `json:"score"`
	Fatal        bool          `json:"fatal"`
	Passed       bool          `json:"passed"`
	Sale         bool          `json:"sale"`
	StandardsMet *bool         `json:"standards_met,omitempty"` // of a sale
	Failed       []string      `json:"failed,omitempty"`
	Sections     []sectionJSON `json:"sections"`
	Penalties    []penaltyJSON `json:"penalties,omitempty"`
	Sheet        *sheetJSON    `json:"sheet"`
	ScoredAt     *time.Time    `json:"scored_at,omitempty"`
	PublishedAt  *time.Time    `json:"published_at,omitempty"`
	Amended      bool          `json:"amended,omitempty"`
	Void         bool          `json:"void,omitempty"`
}

type sectionJSON struct {
	ID     string  `json:"id"`
	Points float64 `json:"points"`
	Weight float64 `json:"weight"`
}

type penaltyJSON struct {
	ID     string  `json:"id"`
	Title  string  `json:"title"`
	Amount float64 `json:"amount"`
}

type appealJSON struct {
	By        string     `json:"by"`
	At        *time.Time `json:"at"`
	Text      string     `json:"text"`
	About     []string   `json:"checkpoints,omitempty"`
	Support   *voteJSON  `json:"support,omitempty"`
	Leader    *voteJSON  `json:"leader,omitempty"`
	Outcome   string     `json:"outcome,omitempty"`
	DecidedAt *time.Time `json:"decided_at,omitempty"`
}

type voteJSON struct {
	By      string     `json:"by"`
	At      *time.Time `json:"at"`
	Vote    string     `json:"vote"`
	Reason  string     `json:"reason"`
	Amended *sheetJSON `json:"amended,omitempty"`
}

type problemJSON struct {
	Problem string     `json:"problem"`
	Detail  string     `json:"detail,omitempty"`
	At      *time.Time `json:"at"`
	By      string     `json:"by"`
}

// instant is a time of the messages in the reporting zone, nil where there is none.
func (a *App) instant(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).In(a.zone)
	return &t
}

func (a *App) taskJSON(s *event.QATaskState) *taskJSON {
	t := s.Task
	out := &taskJSON{TaskID: t.TaskId, Status: s.Status, Revision: s.Revision, CallID: t.CallId, AgentID: t.AgentId, TeamID: t.TeamId, CampaignID: t.CampaignId, PartnerID: t.PartnerId,
		Draw: t.Draw, Reason: t.Reason, ForRole: roleOf(t), Period: t.Period, Sale: t.Sale, DrawnAt: a.instant(t.DrawnAt), CallStartedAt: a.instant(t.CallStartedAt), DueAt: a.instant(s.DueAt),
		Complaints: s.Complaints, AssignedTo: s.AssignedTo, ClaimedBy: s.ClaimedBy.GetUserId(), ClaimExpiresAt: a.instant(s.ClaimExpiresAt), DraftSeq: s.Draft.GetSeq(),
		Draft: sheetOf(s.Draft.GetSheet()), Review: a.reviewJSON(s.Review), Original: a.reviewJSON(s.Original), AppealUntil: a.instant(s.AppealUntil), CalibrationID: s.CalibrationId, Replaces: t.Replaces}
	if p := s.Appeal; p != nil {
		out.Appeal = &appealJSON{By: p.By.GetUserId(), At: a.instant(p.At), Text: p.Text, About: p.Checkpoints, Support: a.voteJSON(p.Support), Leader: a.voteJSON(p.Leader), Outcome: p.Outcome,
			DecidedAt: a.instant(p.DecidedAt)}
	}
	if i := s.Incident; i != nil {
		out.Incident = &problemJSON{i.Problem, i.Detail, a.instant(i.At), i.By.GetUserId()}
	}
	return out
}

func (a *App) reviewJSON(r *event.QAReview) *reviewJSON {
	if r == nil {
		return nil
	}
	out := &reviewJSON{ReviewID: r.ReviewId, Rater: r.Rater.GetUserId(), Role: r.RaterRole, Score: r.Score, Fatal: r.Fatal, Passed: r.Passed, Sale: r.Sale, Failed: r.Failed, Sections: []sectionJSON{},
		Sheet: sheetOf(r.Sheet), ScoredAt: a.instant(r.ScoredAt), PublishedAt: a.instant(r.PublishedAt), Amended: r.Amended, Void: r.Void}
	if r.Sale {
		out.StandardsMet = &r.StandardsMet
	}
	for _, s := range r.Sections {
		out.Sections = append(out.Sections, sectionJSON{s.Id, s.Points, s.Weight})
	}
	for _, p := range r.Penalties {
		out.Penalties = append(out.Penalties, penaltyJSON{p.Id, p.Title, p.Amount})
	}
	return out
}

func (a *App) voteJSON(v *event.QAVote) *voteJSON {
	if v == nil {
		return nil
	}
	return &voteJSON{By: v.By.GetUserId(), At: a.instant(v.At), Vote: v.Vote, Reason: v.Reason, Amended: sheetOf(v.Amended)}
}

// rubricJSON spells a rubric as its file does.
func rubricJSON(r *rubric.Rubric) map[string]any {
	sections := []map[string]any{}
	for _, s := range r.Sections {
		checks := []map[string]any{}
		for _, c := range s.Checkpoints {
			checks = append(checks, map[string]any{"id": c.ID, "title": c.Title, "help": c.Help, "weight": c.Weight, "answers": c.Answers, "fatal": c.Fatal, "sale": c.Sale})
		}
		sections = append(sections, map[string]any{"id": s.ID, "title": s.Title, "weight": s.Weight, "checkpoints": checks})
	}
	standards, taboos, tariff := []map[string]any{}, []map[string]any{}, []map[string]any{}
	for _, x := range r.Standards {
		standards = append(standards, map[string]any{"id": x.ID, "title": x.Title, "help": x.Help, "fatal": x.Fatal})
	}
	for _, x := range r.Taboos {
		taboos = append(taboos, map[string]any{"id": x.ID, "say": x.Say, "instead": x.Instead, "points": x.Points})
	}
	for _, x := range r.Tariff {
		tariff = append(tariff, map[string]any{"id": x.ID, "title": x.Title, "amount": x.Amount, "when": x.When})
	}
	return map[string]any{"id": r.ID(), "rubric": r.Name, "version": r.Version, "partial": *r.Partial, "sections": sections, "standards": standards, "taboos": taboos, "tariff": tariff}
}
