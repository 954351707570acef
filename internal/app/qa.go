package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
	"github.com/ringfence/ringfence/internal/rubric"
	"github.com/ringfence/ringfence/processors/qa"
)

// startQA reads the rubrics and starts the queue, and the desk where people ask it.
func (a *App) startQA(ctx context.Context) error {
	known := map[string]*rubric.Rubric{}
	for _, name := range a.cfg.QA.Rubrics {
		r, err := rubric.Load(name)
		if err != nil {
			return fmt.Errorf("qa.rubrics: %w", err)
		}
		if known[r.ID()] != nil {
			return fmt.Errorf("qa.rubrics: %s is there twice: a rubric that was changed has another version", r.ID())
		}
		known[r.ID()] = r
		a.rubrics = append(a.rubrics, r)
	}
	if a.cfg.Has("qa") {
		err := addProcessor(a, qa.New(qa.Options{Zone: a.zone, Rubrics: known, ClaimTTL: a.cfg.QA.ClaimTTL.D(), ConfirmCampaign: a.cfg.QA.ConfirmCampaign,
			Due: map[string]time.Duration{"": a.cfg.QA.Due.D(), "extra": a.cfg.QA.DueExtra.D()}, Metrics: qa.NewMetrics(a.registry)}))
		if err != nil {
			return err
		}
	}
	if !a.cfg.Has("api") && !a.cfg.Has("console") {
		return nil
	}
	desk, err := qadesk.New(ctx, qadesk.Options{Base: a.base, Partitions: int32(a.cfg.Kafka.Partitions), Zone: a.zone, MaxClaimed: a.cfg.QA.MaxClaimed, Logger: a.log})
	if err != nil {
		return fmt.Errorf("open the QA desk: %w", err)
	}
	a.desk = desk
	a.work("qadesk", desk.Run)
	a.health.add("qadesk", desk.Ready)
	return nil
}

// Desk is the way to the QA queue; nil without the roles that have one.
func (a *App) Desk() *qadesk.Desk { return a.desk }

// Rubrics by which recordings are judged; the first is the one new reviews use.
func (a *App) Rubrics() []*rubric.Rubric { return a.rubrics }

func roleOf(t *event.QATask) string { return qarules.Role(t) }

// calibrationTask is the task of a recording that several raters are to hear, from the calls table.
func (a *App) calibrationTask(ctx context.Context, callID, agentID string) (*event.QATask, error) {
	if a.conn == nil {
		return nil, errors.New("this process has no ClickHouse to look the call up in")
	}
	t := &event.QATask{CallId: callID}
	var started time.Time
	err := a.conn.QueryRow(ctx, "SELECT agent_id, team_id, campaign_id, partner_id, started_at, recording_uri, purpose FROM calls FINAL WHERE call_id = ?", callID).
		Scan(&t.AgentId, &t.TeamId, &t.CampaignId, &t.PartnerId, &started, &t.RecordingUri, &t.Purpose)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, &qadesk.Refusal{Code: qarules.NotFound, Pointer: "/call_id", Detail: "there is no such call"}
	case err != nil:
		return nil, fmt.Errorf("look up the call: %w", err)
	case agentID != "" && agentID != t.AgentId:
		return nil, &qadesk.Refusal{Code: qarules.Invalid, Pointer: "/agent_id", Detail: "the call is another agent's"}
	}
	t.CallStartedAt = started.UnixMilli()
	t.Day = started.In(a.zone).Format(time.DateOnly)
	return t, nil
}
