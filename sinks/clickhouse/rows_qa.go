package clickhouse

import (
	"encoding/json"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// qaRows are a step of a QA task and what the task is after it: a row of its history, its status, and its review, appeal
// or incident where there is one. The state's revision is the version of each.
func (c *converter) qaRows(value []byte) error {
	var e event.QAEvent
	if err := e.UnmarshalVT(value); err != nil {
		return err
	}
	s := e.State
	if s != nil && s.Task == nil {
		return errNoBody
	}
	revision := s.GetRevision()
	if s == nil {
		revision = e.Agent.GetRevision()
	}
	c.to("qa_task_events").word(e.AgentId).id(e.TaskId).word(e.Kind).at(e.At).word(e.By.GetUserId()).id(e.CommandId).text(number.MaskText(e.Detail)).u64(revision).end()
	if s == nil {
		return nil
	}
	t := s.Task
	rater := s.ClaimedBy.GetUserId()
	if r := s.Review.GetRater(); r != nil {
		rater = r.UserId
	}
	c.to("qa_task_status").id(t.TaskId).id(t.CallId).word(t.AgentId).word(t.TeamId).word(t.CampaignId).word(t.PartnerId).word(t.Draw).word(t.ForRole).word(s.Status).word(rater).at(t.DrawnAt).
		at(s.DueAt).maybeAt(s.ClaimedAt).maybeAt(s.Review.GetScoredAt()).maybeAt(s.Review.GetPublishedAt()).maybeAt(s.AppealUntil).ids(s.Complaints).at(e.At).u64(revision).end()
	if s.Review != nil {
		if err := c.reviewRow(s, revision); err != nil {
			return err
		}
	}
	if a := s.Appeal; a != nil {
		before, after := s.Review.GetScore(), s.Review.GetScore()
		if s.Original != nil {
			before = s.Original.Score
		}
		c.to("qa_appeals").id(t.TaskId).id(t.TaskId).id(t.CallId).word(t.AgentId).word(t.TeamId).word(t.PartnerId).at(a.At).text(number.MaskText(a.Text)).words(a.Checkpoints).
			word(a.Support.GetBy().GetUserId()).word(a.Support.GetVote()).text(number.MaskText(a.Support.GetReason())).word(a.Leader.GetBy().GetUserId()).word(a.Leader.GetVote()).
			text(number.MaskText(a.Leader.GetReason())).word(a.Outcome).maybeAt(a.DecidedAt).f64(before).f64(after).u64(revision).end()
	}
	if i := s.Incident; i != nil {
		if err := isDay(t.Day); err != nil {
			return err
		}
		c.to("qa_incidents").id(t.TaskId).id(t.CallId).word(t.AgentId).word(t.TeamId).word(t.CampaignId).word(t.PartnerId).text(t.Day).u32(uint32(t.Seq)).word(t.Draw).word(i.Problem).
			text(number.MaskText(i.Detail)).at(i.At).word(i.By.GetUserId()).text(number.MaskValid(t.RecordingUri, c.s.opt.Region)).end()
	}
	return nil
}

// reviewRow is a review as it stands. One that an appeal voided is no longer published, so that no metric counts it.
func (c *converter) reviewRow(s *event.QATaskState, revision uint64) error {
	t, r := s.Task, s.Review
	detail, err := sheetDetail(r)
	if err != nil {
		return err
	}
	published, penalty := r.PublishedAt, 0.0
	if r.Void {
		published = 0
	}
	for _, p := range r.Penalties {
		penalty += p.Amount
	}
	c.to("qa_reviews").id(r.ReviewId).id(t.TaskId).id(t.CallId).word(t.AgentId).word(t.TeamId).word(t.CampaignId).word(t.PartnerId).at(t.CallStartedAt).word(r.Rater.GetUserId()).
		word(r.Sheet.GetRubric()).bit(r.Sale).bit(r.StandardsMet).f64(r.Score).bit(r.Fatal).text(detail).maybeAt(published).u64(revision).word(t.Draw).word(r.RaterRole).bit(r.Passed).
		maybeAt(r.ScoredAt).words(r.Failed).f64(penalty).bit(r.Amended).bit(r.Void).id(s.CalibrationId).end()
	return nil
}

// sheetDetail is what was answered and by whom, as JSON, its free texts without numbers. The rater's name stands beside his
// id in rater: a closed review is read from here alone.
func sheetDetail(r *event.QAReview) (string, error) {
	type check struct {
		ID      string `json:"id"`
		Answer  string `json:"answer"`
		Comment string `json:"comment,omitempty"`
	}
	type marker struct {
		AtMS       int64  `json:"at_ms"`
		Text       string `json:"text"`
		Checkpoint string `json:"checkpoint,omitempty"`
	}
	type section struct {
		ID     string  `json:"id"`
		Points float64 `json:"points"`
		Weight float64 `json:"weight"`
	}
	type penalty struct {
		ID     string  `json:"id"`
		Amount float64 `json:"amount"`
	}
	out := struct {
		RaterName string    `json:"rater_name,omitempty"`
		Comment   string    `json:"comment,omitempty"`
		Checks    []check   `json:"checks"`
		Markers   []marker  `json:"markers,omitempty"`
		Sections  []section `json:"sections"`
		Penalties []penalty `json:"penalties,omitempty"`
	}{RaterName: number.MaskText(r.Rater.GetName()), Comment: number.MaskText(r.Sheet.GetComment()), Checks: []check{}, Sections: []section{}}
	for _, x := range r.Sheet.GetChecks() {
		out.Checks = append(out.Checks, check{x.Id, x.Answer, number.MaskText(x.Comment)})
	}
	for _, x := range r.Sheet.GetMarkers() {
		out.Markers = append(out.Markers, marker{x.AtMs, number.MaskText(x.Text), x.Checkpoint})
	}
	for _, x := range r.Sections {
		out.Sections = append(out.Sections, section{x.Id, x.Points, x.Weight})
	}
	for _, x := range r.Penalties {
		out.Penalties = append(out.Penalties, penalty{x.Id, x.Amount})
	}
	b, err := json.Marshal(out)
	return string(b), err
}
