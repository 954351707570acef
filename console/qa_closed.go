package console

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
)

// keptSheet is what was answered, as qa_reviews.detail keeps it.
type keptSheet struct {
	RaterName string `json:"rater_name"` // "" where the sink wrote the review before it kept names
	Comment   string `json:"comment"`
	Checks    []struct{ ID, Answer, Comment string }
	Markers   []struct {
		AtMS       int64 `json:"at_ms"`
		Text       string
		Checkpoint string
	}
	Sections []struct {
		ID             string
		Points, Weight float64
	}
	Penalties []struct {
		ID     string
		Amount float64
	}
}

func named(id string) *event.QAActor {
	if id == "" {
		return nil
	}
	return &event.QAActor{UserId: id, Name: id}
}

func millis(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}

// closed is a task that has left the queue, as ClickHouse keeps it: nil where there is none, or where its end is not
// there yet.
func (c *console) closed(ctx context.Context, id string) (*event.QATaskState, error) {
	s := &event.QATaskState{Task: &event.QATask{TaskId: id}}
	t := s.Task
	var rater string
	var drawn, due time.Time
	var scored, published, until, began *time.Time
	err := c.opt.QA.Conn.QueryRow(ctx, `SELECT s.call_id, s.agent_id, s.team_id, s.campaign_id, s.partner_id, s.draw, s.for_role, s.status, s.rater, s.drawn_at, s.due_at, s.scored_at, s.published_at, s.appeal_until,
		s.complaints, t.recording_uri, t.call_started_at, if(t.day = toDate(0), '', toString(t.day))
		FROM (SELECT * FROM qa_task_status FINAL WHERE task_id = ?) AS s LEFT JOIN (SELECT task_id, recording_uri, toNullable(call_started_at) AS call_started_at, day FROM qa_tasks FINAL WHERE task_id = ?) AS t ON t.task_id = s.task_id`, id, id).
		Scan(&t.CallId, &t.AgentId, &t.TeamId, &t.CampaignId, &t.PartnerId, &t.Draw, &t.ForRole, &s.Status, &rater, &drawn, &due, &scored, &published, &until, &s.Complaints, &t.RecordingUri, &began, &t.Day)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && s.Status != qarules.Closed && s.Status != qarules.Replaced:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the closed task: %w", err)
	}
	t.DrawnAt, s.DueAt, s.AppealUntil, t.CallStartedAt = drawn.UnixMilli(), due.UnixMilli(), millis(until), millis(began)
	if scored == nil {
		return s, nil
	}
	s.Review = &event.QAReview{ReviewId: id, Rater: named(rater), ScoredAt: millis(scored), PublishedAt: millis(published)}
	if err := c.closedReview(ctx, s); err != nil {
		return nil, err
	}
	return s, c.closedAppeal(ctx, s)
}

func (c *console) closedReview(ctx context.Context, s *event.QATaskState) error {
	r := s.Review
	r.Sheet = &event.QASheet{}
	var detail string
	var started time.Time
	err := c.opt.QA.Conn.QueryRow(ctx, `SELECT rubric, sale, standards_met, score, fatal, passed, amended, void, failed, rater_role, calibration_id, call_started_at, detail FROM qa_reviews FINAL WHERE review_id = ?`, r.ReviewId).
		Scan(&r.Sheet.Rubric, &r.Sale, &r.StandardsMet, &r.Score, &r.Fatal, &r.Passed, &r.Amended, &r.Void, &r.Failed, &r.RaterRole, &s.CalibrationId, &started, &detail)
	if err != nil {
		return fmt.Errorf("read the closed task's review: %w", err)
	}
	if s.CalibrationId != "" {
		s.AssignedTo, s.Task.ForRole = r.Rater.GetUserId(), qarules.Calibration
	}
	var kept keptSheet
	if err := json.Unmarshal([]byte(detail), &kept); err != nil {
		return fmt.Errorf("read the closed task's review: %w", err)
	}
	r.Rater.Name = cmp.Or(kept.RaterName, r.Rater.Name)
	s.Task.CallStartedAt, r.Sheet.Sale, r.Sheet.Comment = started.UnixMilli(), r.Sale, kept.Comment
	for _, x := range kept.Checks {
		r.Sheet.Checks = append(r.Sheet.Checks, &event.QACheck{Id: x.ID, Answer: x.Answer, Comment: x.Comment})
	}
	for _, x := range kept.Markers {
		r.Sheet.Markers = append(r.Sheet.Markers, &event.QAMarker{AtMs: x.AtMS, Text: x.Text, Checkpoint: x.Checkpoint})
	}
	for _, x := range kept.Sections {
		r.Sections = append(r.Sections, &event.QASection{Id: x.ID, Points: x.Points, Weight: x.Weight})
	}
	for _, x := range kept.Penalties {
		r.Penalties = append(r.Penalties, &event.QAPenalty{Id: x.ID, Amount: x.Amount})
	}
	return nil
}

func (c *console) closedAppeal(ctx context.Context, s *event.QATaskState) error {
	a := &event.QAAppealState{By: named(s.Task.AgentId)}
	var at time.Time
	var decided *time.Time
	var support, leader event.QAVote
	var supportBy, leaderBy string
	var before float64
	err := c.opt.QA.Conn.QueryRow(ctx, `SELECT at, text, checkpoints, support_by, support_vote, support_reason, leader_by, leader_vote, leader_reason, outcome, decided_at, score_before FROM qa_appeals FINAL WHERE review_id = ?`, s.Review.ReviewId).
		Scan(&at, &a.Text, &a.Checkpoints, &supportBy, &support.Vote, &support.Reason, &leaderBy, &leader.Vote, &leader.Reason, &a.Outcome, &decided, &before)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the closed task's appeal: %w", err)
	}
	a.At, a.DecidedAt, support.By, leader.By = at.UnixMilli(), millis(decided), named(supportBy), named(leaderBy)
	if support.Vote != "" {
		a.Support = &support
	}
	if leader.Vote != "" {
		a.Leader = &leader
	}
	s.Appeal = a
	if s.Review.Amended {
		s.Original = &event.QAReview{ReviewId: s.Review.ReviewId, Score: before}
	}
	return nil
}
