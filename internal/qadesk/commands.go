package qadesk

import (
	"context"
	"errors"
	"fmt"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
)

// claimTries is how many tasks are tried for one rater before he is told to ask again.
const claimTries = 20

// ClaimNext takes the next task a rater may hear. A *Refusal with code not_found says that there is none, one with
// conflict that he holds as many as one may.
func (d *Desk) ClaimNext(ctx context.Context, who *event.QAActor, f Filter) (*event.QATaskState, error) {
	if held := d.held(who.UserId); held >= d.opt.MaxClaimed {
		return nil, &Refusal{Code: qarules.Conflict, Detail: fmt.Sprintf("you hold %d tasks, and %d is the most: finish or release one", held, d.opt.MaxClaimed)}
	}
	for range claimTries {
		s := d.view.offer(who, f, d.now().UnixMilli(), d.opt.Timeout)
		if s == nil {
			return nil, &Refusal{Code: qarules.NotFound, Detail: "there is no open task for you"}
		}
		got, err := d.Claim(ctx, who, s.Task.TaskId)
		d.view.settle(s.Task.TaskId)
		var r *Refusal
		if errors.As(err, &r) && (r.Code == qarules.Taken || r.Code == qarules.Conflict || r.Code == qarules.Forbidden || r.Code == qarules.NotFound) {
			continue // somebody was quicker, or the view is behind: the answer has mended it
		}
		return got, err
	}
	return nil, &Refusal{Code: qarules.Conflict, Detail: "others were quicker each time: ask again"}
}

// on sends a command about a task. The task's agent is taken from the view: one that is closed is not found.
func (d *Desk) on(ctx context.Context, who *event.QAActor, taskID, commandID string, cmd *event.QACommand) (*event.QATaskState, error) {
	s, ok := d.task(taskID)
	if !ok {
		return nil, &Refusal{Code: qarules.NotFound, Detail: "there is no such task, or it is closed"}
	}
	cmd.TaskId, cmd.AgentId, cmd.By, cmd.CommandId = taskID, s.Task.AgentId, who, commandID
	a, err := d.Do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return a.State, nil
}

// Claim takes a certain task, or prolongs the claim of who holds it. A claim nobody waits for any more is not given.
func (d *Desk) Claim(ctx context.Context, who *event.QAActor, taskID string) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, "", &event.QACommand{Deadline: d.now().Add(d.opt.Timeout).UnixMilli(), Body: &event.QACommand_Claim{Claim: &event.QAClaim{}}})
}

// Release gives a task back.
func (d *Desk) Release(ctx context.Context, who *event.QAActor, taskID, reason string) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, "", &event.QACommand{Body: &event.QACommand_Release{Release: &event.QARelease{Reason: reason}}})
}

// Draft keeps what was entered so far: of two the one with the higher seq. It is durable when it returns.
func (d *Desk) Draft(ctx context.Context, who *event.QAActor, taskID string, seq int64, sheet *event.QASheet) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, "", &event.QACommand{Body: &event.QACommand_Draft{Draft: &event.QADraft{Seq: seq, Sheet: sheet}}})
}

// Score ends a review and, with publish, publishes it at once. commandID makes it repeatable ("" = not).
func (d *Desk) Score(ctx context.Context, who *event.QAActor, taskID, commandID string, sheet *event.QASheet, publish bool) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, commandID, &event.QACommand{Body: &event.QACommand_Score{Score: &event.QAScore{Sheet: sheet, Publish: publish}}})
}

// Publish shows a review to its agent; from then on he may appeal.
func (d *Desk) Publish(ctx context.Context, who *event.QAActor, taskID, commandID string) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, commandID, &event.QACommand{Body: &event.QACommand_Publish{Publish: &event.QAPublish{}}})
}

// Appeal is the agent's own (APL-01).
func (d *Desk) Appeal(ctx context.Context, who *event.QAActor, taskID, commandID, text string, checkpoints []string) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, commandID, &event.QACommand{Body: &event.QACommand_Appeal{Appeal: &event.QAAppeal{Text: text, Checkpoints: checkpoints}}})
}

// Decide gives one of the two votes on an appeal (APL-01).
func (d *Desk) Decide(ctx context.Context, who *event.QAActor, taskID, commandID string, vote *event.QADecide) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, commandID, &event.QACommand{Body: &event.QACommand_Decide{Decide: vote}})
}

// Report says that a recording is missing or unreadable: another is drawn in its place.
func (d *Desk) Report(ctx context.Context, who *event.QAActor, taskID, problem, detail string) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, "", &event.QACommand{Body: &event.QACommand_Report{Report: &event.QAReport{Problem: problem, Detail: detail}}})
}

// Assign keeps an open task for one rater; "" opens it to all.
func (d *Desk) Assign(ctx context.Context, who *event.QAActor, taskID, userID string) (*event.QATaskState, error) {
	return d.on(ctx, who, taskID, "", &event.QACommand{Body: &event.QACommand_Assign{Assign: &event.QAAssign{UserId: userID}}})
}

// Recuse keeps a rater from an agent's calls, or lifts that.
func (d *Desk) Recuse(ctx context.Context, who *event.QAActor, agentID string, r *event.QARecuse) (*event.QAAgent, error) {
	a, err := d.Do(ctx, &event.QACommand{AgentId: agentID, By: who, Body: &event.QACommand_Recuse{Recuse: r}})
	if err != nil {
		return nil, err
	}
	return a.Agent, nil
}

// Exempt exempts an agent from a period's draws, or lifts that (SMP-06).
func (d *Desk) Exempt(ctx context.Context, who *event.QAActor, agentID string, x *event.QAExempt) (*event.QAAgent, error) {
	a, err := d.Do(ctx, &event.QACommand{AgentId: agentID, By: who, Body: &event.QACommand_Exempt{Exempt: x}})
	if err != nil {
		return nil, err
	}
	return a.Agent, nil
}

// Calibrate gives one recording to several raters.
func (d *Desk) Calibrate(ctx context.Context, who *event.QAActor, c *event.QACalibrate) error {
	_, err := d.Do(ctx, &event.QACommand{AgentId: c.Task.GetAgentId(), By: who, Body: &event.QACommand_Calibrate{Calibrate: c}})
	return err
}
