package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/demo"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/rubric"
)

// demoReviews is how many recordings of a run are reviewed: so many that the pages of quality monitoring have something to
// show, and so few that they are done while the days are closed.
const demoReviews = 60

// reviewSome has the demo's inspectors review recordings all over the queue, by the commands the console gives for them.
func reviewSome(ctx context.Context, a *app.App) error {
	desk := a.Desk()
	if desk == nil || len(a.Rubrics()) == 0 {
		return nil
	}
	var raters []*event.QAActor
	for _, u := range demoUsers() {
		if slices.Contains(u.Roles, identity.RoleQA) {
			raters = append(raters, &event.QAActor{UserId: u.Name, Roles: u.Roles, Name: u.Display})
		}
	}
	var tasks []string
	for more := true; more; {
		p := desk.Queue(raters[0], qadesk.Filter{Draw: "daily", Offset: len(tasks), Limit: 1000})
		for _, s := range p.Tasks {
			tasks = append(tasks, s.Task.TaskId)
		}
		more = p.More && len(p.Tasks) > 0
	}
	n := min(demoReviews, len(tasks))
	g, ctx := errgroup.WithContext(ctx)
	for i, who := range raters {
		g.Go(func() error {
			for j := i; j < n; j += len(raters) {
				if err := reviewOne(ctx, desk, a.Rubrics()[0], who, tasks[j*len(tasks)/n]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func reviewOne(ctx context.Context, desk *qadesk.Desk, r *rubric.Rubric, who *event.QAActor, task string) error {
	s, err := desk.Claim(ctx, who, task)
	if err == nil {
		_, err = desk.Score(ctx, who, task, "demo|"+task, demo.Sheet(r, s.Task), true)
	}
	var refused *qadesk.Refusal
	if errors.As(err, &refused) { // somebody at the console was quicker
		return nil
	}
	if err != nil {
		return fmt.Errorf("review %s: %w", task, err)
	}
	return nil
}
