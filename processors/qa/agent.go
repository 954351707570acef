package qa

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
)

var (
	periodForm = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`)
	idForm     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// about decides a command about an agent rather than a task.
func (p *processor) about(c *ctx, cmd *event.QACommand, now int64) (*event.QAAnswer, error) {
	if cmd.AgentId == "" {
		return p.refused(&qarules.Refusal{Code: qarules.Invalid, Pointer: "/agent_id", Detail: "agent_id is needed"}), nil
	}
	agent, err := getAgent(c, cmd.AgentId)
	if err != nil {
		return nil, err
	}
	e := &event.QAEvent{By: cmd.By, CommandId: cmd.CommandId, AgentId: cmd.AgentId}
	switch b := cmd.Body.(type) {
	case *event.QACommand_Complained:
		return &event.QAAnswer{}, p.complained(c, cmd.AgentId, b.Complained)
	case *event.QACommand_Calibrate:
		return p.calibrate(c, cmd, b.Calibrate, now)
	case *event.QACommand_Recuse:
		if r := recuse(cmd.By, b.Recuse, agent, now); r != nil {
			return p.refused(r), nil
		}
		e.Kind, e.Detail, e.Lift = "recused", b.Recuse.UserId+": "+b.Recuse.Reason, b.Recuse.Lift
	case *event.QACommand_Exempt:
		if r := exempt(cmd.By, b.Exempt, agent); r != nil {
			return p.refused(r), nil
		}
		e.Kind, e.Detail, e.Period, e.Lift = "exempted", b.Exempt.Period+": "+b.Exempt.Reason, b.Exempt.Period, b.Exempt.Lift
	default:
		return p.refused(&qarules.Refusal{Code: qarules.Invalid, Pointer: "/task_id", Detail: "task_id is needed"}), nil
	}
	agent.Revision++
	if err := putAgent(c, agent); err != nil {
		return nil, err
	}
	if err := showAgent(c, agent); err != nil {
		return nil, err
	}
	e.Agent = agent.CloneVT()
	return &event.QAAnswer{Agent: agent}, p.emit(c, e)
}

// recuse keeps a rater from an agent's calls; he may say so himself.
func recuse(who *event.QAActor, b *event.QARecuse, agent *event.QAAgent, now int64) *qarules.Refusal {
	switch {
	case !qarules.Is(who, "supervisor", "compliance") && (who.GetUserId() == "" || who.UserId != b.UserId || b.Lift):
		return refuse(qarules.Forbidden, "a supervisor, compliance, or the rater himself has him recused")
	case b.UserId == "":
		return &qarules.Refusal{Code: qarules.Invalid, Pointer: "/user_id", Detail: "user_id is needed"}
	case len(b.Reason) > maxText || strings.TrimSpace(b.Reason) == "" && !b.Lift:
		return &qarules.Refusal{Code: qarules.Invalid, Pointer: "/reason", Detail: "a recusal has a reason"}
	}
	agent.Recusals = slices.DeleteFunc(agent.Recusals, func(r *event.QARecusal) bool { return r.UserId == b.UserId })
	if !b.Lift {
		agent.Recusals = append(agent.Recusals, &event.QARecusal{UserId: b.UserId, Reason: b.Reason, At: now, By: who.UserId})
	}
	return nil
}

func exempt(who *event.QAActor, b *event.QAExempt, agent *event.QAAgent) *qarules.Refusal {
	switch {
	case !qarules.Is(who, "supervisor", "compliance"):
		return refuse(qarules.Forbidden, "a supervisor or compliance exempts agents (SMP-06)")
	case !periodForm.MatchString(b.Period):
		return &qarules.Refusal{Code: qarules.Invalid, Pointer: "/period", Detail: fmt.Sprintf("period %q: expected the month in which it ends, YYYY-MM", b.Period)}
	}
	agent.Exempt = slices.DeleteFunc(agent.Exempt, func(p string) bool { return p == b.Period })
	if !b.Lift {
		agent.Exempt = append(agent.Exempt, b.Period)
		slices.Sort(agent.Exempt)
		agent.Exempt = agent.Exempt[max(0, len(agent.Exempt)-24):]
	}
	return nil
}

// complained puts the tasks of a call first, and those that are still to be drawn of it.
func (p *processor) complained(c *ctx, agent string, b *event.QAComplained) error {
	call, err := getCall(c, agent, b.CallId)
	if err != nil || slices.Contains(call.Complaints, b.ComplaintId) {
		return err
	}
	call.Complaints = append(call.Complaints, b.ComplaintId)
	if err := putCall(c, agent, b.CallId, call); err != nil {
		return err
	}
	return p.others(c, call, "", func(o *event.QATaskState) *event.QAEvent {
		o.Complaints = call.Complaints
		return &event.QAEvent{Kind: "prioritised", Detail: b.ComplaintId}
	})
}

// maxRaters of one calibration.
const maxRaters = 50

// calibrate gives one recording to several raters, a task each.
func (p *processor) calibrate(c *ctx, cmd *event.QACommand, b *event.QACalibrate, now int64) (*event.QAAnswer, error) {
	bad := func(pointer, detail string) (*event.QAAnswer, error) {
		return p.refused(&qarules.Refusal{Code: qarules.Invalid, Pointer: pointer, Detail: detail}), nil
	}
	switch {
	case !qarules.Is(cmd.By, "supervisor", "compliance"):
		return p.refused(refuse(qarules.Forbidden, "a supervisor or compliance calibrates raters")), nil
	case !idForm.MatchString(b.CalibrationId):
		return bad("/calibration_id", "calibration_id: expected letters, digits, dots, dashes and underscores, at most 64")
	case b.Task.GetCallId() == "" || b.Task.AgentId != cmd.AgentId:
		return bad("/task", "task: the call and its agent are needed")
	case len(b.Raters) < 2 || len(b.Raters) > maxRaters:
		return bad("/raters", fmt.Sprintf("raters: expected 2 to %d user ids", maxRaters))
	}
	for i, rater := range b.Raters {
		if rater == "" || slices.Contains(b.Raters[:i], rater) {
			return bad(fmt.Sprintf("/raters/%d", i), "a rater stands there once, by his user id")
		}
	}
	for _, rater := range b.Raters {
		t := b.Task.CloneVT()
		t.TaskId, t.Draw, t.ForRole, t.DrawnAt = "calibration|"+b.CalibrationId+"|"+rater, "calibration", qarules.Calibration, now
		t.Reason = "calibration " + b.CalibrationId
		if _, err := p.queue(c, t, rater, b.CalibrationId); err != nil {
			return nil, err
		}
	}
	return &event.QAAnswer{}, nil
}
