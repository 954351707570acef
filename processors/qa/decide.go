package qa

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/rubric"
)

// Options of the processor.
type Options struct {
	Zone     *time.Location            // of calendar days
	Rubrics  map[string]*rubric.Rubric // by name@version; old versions stay, so that what is under way can be finished
	ClaimTTL time.Duration             // a claim without a draft or another claim runs out after it; default 30 min
	Due      map[string]time.Duration  // after the draw, by its name; "" = of all others; default 72 h
	// ConfirmCampaign is the campaign under which invalid sales are called back (REQUIREMENTS section C); "" = none.
	ConfirmCampaign string
	Metrics         *Metrics
}

func (o Options) withDefaults() Options {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.ClaimTTL <= 0 {
		o.ClaimTTL = 30 * time.Minute
	}
	return o
}

func (o Options) due(draw string, drawn int64) int64 {
	d := cmp.Or(o.Due[draw], o.Due[""], 72*time.Hour)
	return drawn + d.Milliseconds()
}

// longest texts, in bytes: what a person writes, and a bound for what is kept.
const (
	maxText  = 4_000
	maxSheet = 200_000
)

// step is what a command does to a task: the kind of event it is, "" = nothing happened (a repetition, a draft).
type step struct {
	kind   string
	detail string
}

// decide applies a command about a task to s. It changes s only if it does not refuse. now is in Unix milliseconds.
func (o Options) decide(cmd *event.QACommand, s *event.QATaskState, agent *event.QAAgent, now int64) (step, *qarules.Refusal) {
	who := cmd.By
	if who.GetUserId() == "" {
		return step{}, refuse(qarules.Forbidden, "nobody is signed in")
	}
	switch b := cmd.Body.(type) {
	case *event.QACommand_Claim:
		return o.claim(who, s, agent, now)
	case *event.QACommand_Release:
		return o.release(who, b.Release, s)
	case *event.QACommand_Draft:
		return step{}, o.draft(who, b.Draft, s, now)
	case *event.QACommand_Score:
		return o.score(who, b.Score, s, now)
	case *event.QACommand_Publish:
		return o.publish(who, s, now)
	case *event.QACommand_Appeal:
		return o.appeal(who, b.Appeal, s, now)
	case *event.QACommand_Decide:
		return o.vote(who, b.Decide, s, now)
	case *event.QACommand_Report:
		return o.report(who, b.Report, s, now)
	case *event.QACommand_Assign:
		return o.assign(who, b.Assign, s)
	}
	return step{}, refuse(qarules.Invalid, "the command says nothing to do")
}

func refuse(code, format string, a ...any) *qarules.Refusal {
	return &qarules.Refusal{Code: code, Detail: fmt.Sprintf(format, a...)}
}

func (o Options) claim(who *event.QAActor, s *event.QATaskState, agent *event.QAAgent, now int64) (step, *qarules.Refusal) {
	if r := qarules.MayClaim(who, s, agent, now); r != nil {
		return step{}, r
	}
	again := s.Status == qarules.Claimed && s.ClaimedBy.UserId == who.UserId
	if s.Draft != nil && s.Draft.UserId != who.UserId {
		s.Draft = nil
	}
	s.Status, s.ClaimExpiresAt = qarules.Claimed, now+o.ClaimTTL.Milliseconds()
	if again {
		return step{}, nil
	}
	s.ClaimedBy, s.ClaimedAt = who, now
	return step{kind: "claimed"}, nil
}

func free(s *event.QATaskState) {
	s.Status, s.ClaimedBy, s.ClaimedAt, s.ClaimExpiresAt = qarules.Open, nil, 0, 0
}

func (o Options) release(who *event.QAActor, b *event.QARelease, s *event.QATaskState) (step, *qarules.Refusal) {
	if s.Status != qarules.Claimed {
		return step{}, refuse(qarules.Conflict, "the task is %s, not claimed", s.Status)
	}
	if s.ClaimedBy.UserId != who.UserId && !qarules.Is(who, "supervisor", "compliance") {
		return step{}, refuse(qarules.Taken, "another rater has it; a supervisor may take it from him")
	}
	free(s)
	return step{"released", b.Reason}, nil
}

// holds says why who does not hold the claim. A claim that ran out is still its holder's until somebody else takes it.
func holds(who *event.QAActor, s *event.QATaskState) *qarules.Refusal {
	switch {
	case s.Status == qarules.Open:
		return refuse(qarules.Conflict, "the claim ran out or was released: claim the task again; what was entered is kept")
	case s.Status != qarules.Claimed:
		return refuse(qarules.Conflict, "the task is %s", s.Status)
	case s.ClaimedBy.UserId != who.UserId:
		return refuse(qarules.Taken, "another rater has it")
	}
	return nil
}

func (o Options) draft(who *event.QAActor, b *event.QADraft, s *event.QATaskState, now int64) *qarules.Refusal {
	if r := holds(who, s); r != nil {
		return r
	}
	if b.Sheet == nil || b.Sheet.SizeVT() > maxSheet {
		return refuse(qarules.Invalid, "sheet: expected one of at most %d bytes", maxSheet)
	}
	s.ClaimExpiresAt = now + o.ClaimTTL.Milliseconds()
	if s.Draft == nil || b.Seq > s.Draft.Seq {
		s.Draft = &event.QADraft{Seq: b.Seq, Sheet: b.Sheet, UserId: who.UserId}
	}
	return nil
}

// judge scores a sheet by the rubric it names.
func (o Options) judge(sheet *event.QASheet) (*event.QAReview, *qarules.Refusal) {
	if sheet == nil {
		return nil, refuse(qarules.Invalid, "sheet: it is missing")
	}
	if sheet.SizeVT() > maxSheet {
		return nil, refuse(qarules.Invalid, "sheet: larger than %d bytes", maxSheet)
	}
	r, ok := o.Rubrics[sheet.Rubric]
	if !ok {
		var known []string
		for id := range o.Rubrics {
			known = append(known, id)
		}
		slices.Sort(known)
		return nil, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/rubric", Detail: fmt.Sprintf("rubric %q is not known here; known: %s", sheet.Rubric, strings.Join(known, ", "))}
	}
	review, problems := rubric.Score(r, sheet)
	if len(problems) > 0 {
		var all []string
		for _, p := range problems {
			all = append(all, p.Detail)
		}
		return nil, &qarules.Refusal{Code: qarules.Invalid, Pointer: problems[0].Pointer, Detail: strings.Join(all, "; ")}
	}
	return review, nil
}

func (o Options) score(who *event.QAActor, b *event.QAScore, s *event.QATaskState, now int64) (step, *qarules.Refusal) {
	if r := holds(who, s); r != nil {
		return step{}, r
	}
	review, r := o.judge(b.Sheet)
	if r != nil {
		return step{}, r
	}
	review.ReviewId, review.Rater, review.RaterRole, review.ScoredAt = s.Task.TaskId, who, qarules.Role(s.Task), now
	s.Review, s.Draft, s.Status, s.ClaimExpiresAt = review, nil, qarules.Scored, 0
	if s.CalibrationId != "" {
		s.Status = qarules.Closed // it compares raters, and says nothing about the agent
	}
	return step{kind: "scored"}, nil
}

func (o Options) publish(who *event.QAActor, s *event.QATaskState, now int64) (step, *qarules.Refusal) {
	switch {
	case s.Status != qarules.Scored:
		return step{}, refuse(qarules.Conflict, "the task is %s, not scored", s.Status)
	case !qarules.Is(who, "supervisor", "compliance") && who.UserId != s.Review.Rater.GetUserId():
		return step{}, refuse(qarules.Forbidden, "its rater, a supervisor or compliance publishes a review")
	case who.AgentId != "" && who.AgentId == s.Task.AgentId, who.PartnerId != "" && who.PartnerId != s.Task.PartnerId:
		return step{}, refuse(qarules.Forbidden, "not a review of yours to publish")
	}
	s.Review.PublishedAt, s.Review.PublishedBy, s.Status = now, who, qarules.Published
	s.AppealUntil = qarules.AppealUntil(now, o.Zone)
	return step{kind: "published"}, nil
}

func (o Options) appeal(who *event.QAActor, b *event.QAAppeal, s *event.QATaskState, now int64) (step, *qarules.Refusal) {
	if r := qarules.MayAppeal(who, s, now); r != nil {
		return step{}, r
	}
	if strings.TrimSpace(b.Text) == "" || len(b.Text) > maxText {
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/text", Detail: fmt.Sprintf("an appeal says what is wrong, in at most %d bytes", maxText)}
	}
	s.Appeal = &event.QAAppealState{By: who, At: now, Text: b.Text, Checkpoints: b.Checkpoints}
	s.Status = qarules.Appealed
	return step{kind: "appealed"}, nil
}

// vote takes one of the two votes, and with the second the decision (APL-01).
func (o Options) vote(who *event.QAActor, b *event.QADecide, s *event.QATaskState, now int64) (step, *qarules.Refusal) {
	if r := qarules.MayDecide(who, b.Side, s); r != nil {
		return step{}, r
	}
	first := s.Appeal.Support
	if first == nil {
		first = s.Appeal.Leader
	}
	switch {
	case strings.TrimSpace(b.Reason) == "" || len(b.Reason) > maxText:
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/reason", Detail: "a vote has a reason"}
	case b.Vote != "reject" && b.Vote != "amend" && b.Vote != "void":
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/vote", Detail: `vote: expected "reject", "amend" or "void"`}
	case b.Vote != "amend" && b.Amended != nil:
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/amended", Detail: "only a vote to amend has a sheet"}
	case b.Vote == "amend" && b.Amended == nil && first.GetVote() != "amend":
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/amended", Detail: "a vote to amend has the sheet as it should be"}
	}
	if b.Amended != nil {
		if _, r := o.judge(b.Amended); r != nil {
			r.Pointer = "/amended" + r.Pointer
			return step{}, r
		}
	}
	v := &event.QAVote{By: who, At: now, Vote: b.Vote, Reason: b.Reason, Amended: b.Amended}
	if b.Side == "support" {
		s.Appeal.Support = v
	} else {
		s.Appeal.Leader = v
	}
	if first == nil {
		return step{"voted", b.Side}, nil
	}
	return step{"decided", o.outcome(s, first, v, now)}, nil
}

// outcome closes an appeal: unless both say the same the original stands.
func (o Options) outcome(s *event.QATaskState, first, second *event.QAVote, now int64) string {
	s.Appeal.DecidedAt, s.Status, s.Appeal.Outcome = now, qarules.Closed, "stands"
	sheet := second.Amended
	if sheet == nil {
		sheet = first.Amended
	}
	switch {
	case first.Vote == "void" && second.Vote == "void":
		s.Appeal.Outcome = "void"
		s.Original, s.Review = s.Review, s.Review.CloneVT()
		s.Review.Void = true
	case first.Vote == "amend" && second.Vote == "amend" && equal(sheet, first.Amended):
		review, r := o.judge(sheet)
		if r != nil {
			break // its rubric is gone since the first vote
		}
		s.Appeal.Outcome = "amended"
		was := s.Review
		review.ReviewId, review.Rater, review.RaterRole, review.ScoredAt = was.ReviewId, was.Rater, was.RaterRole, was.ScoredAt
		review.PublishedAt, review.PublishedBy, review.Amended = was.PublishedAt, was.PublishedBy, true
		s.Original, s.Review = was, review
	}
	return s.Appeal.Outcome
}

func (o Options) report(who *event.QAActor, b *event.QAReport, s *event.QATaskState, now int64) (step, *qarules.Refusal) {
	switch {
	case s.Status != qarules.Open && s.Status != qarules.Claimed:
		return step{}, refuse(qarules.Conflict, "the task is %s", s.Status)
	case s.Status == qarules.Open && !qarules.Is(who, "supervisor", "compliance"),
		s.Status == qarules.Claimed && s.ClaimedBy.UserId != who.UserId && !qarules.Is(who, "supervisor", "compliance"):
		return step{}, refuse(qarules.Forbidden, "its rater, a supervisor or compliance reports a recording")
	case b.Problem != "missing" && b.Problem != "unreadable":
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/problem", Detail: `problem: expected "missing" or "unreadable"`}
	case len(b.Detail) > maxText:
		return step{}, &qarules.Refusal{Code: qarules.Invalid, Pointer: "/detail", Detail: "detail: too long"}
	}
	s.Incident = &event.QAIncident{Problem: b.Problem, Detail: b.Detail, At: now, By: who}
	s.Status, s.ClaimExpiresAt, s.Draft = qarules.Replaced, 0, nil
	return step{"replaced", b.Problem}, nil
}

func (o Options) assign(who *event.QAActor, b *event.QAAssign, s *event.QATaskState) (step, *qarules.Refusal) {
	switch {
	case !qarules.Is(who, "supervisor", "compliance"):
		return step{}, refuse(qarules.Forbidden, "a supervisor or compliance assigns tasks")
	case s.Status != qarules.Open:
		return step{}, refuse(qarules.Conflict, "the task is %s, not open", s.Status)
	case s.CalibrationId != "":
		return step{}, refuse(qarules.Conflict, "a calibration is for the raters it was made for")
	}
	s.AssignedTo = b.UserId
	return step{"assigned", b.UserId}, nil
}

// expire opens a task whose claim ran out, or closes a published review nobody appealed against; "" if neither is due.
func (o Options) expire(s *event.QATaskState, now int64) string {
	switch {
	case s.Status == qarules.Claimed && now >= s.ClaimExpiresAt:
		free(s)
		s.Expired++
		return "expired"
	case s.Status == qarules.Published && now > s.AppealUntil:
		s.Status = qarules.Closed
		return "closed"
	}
	return ""
}

// wakes is when expire has something to do, 0 = never.
func wakes(s *event.QATaskState) int64 {
	switch s.Status {
	case qarules.Claimed:
		return s.ClaimExpiresAt
	case qarules.Published:
		return s.AppealUntil + 1
	}
	return 0
}
