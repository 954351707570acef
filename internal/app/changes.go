package app

import (
	"context"
	"time"
)

// noteChange writes a deploy or a new policy into the table that charts mark it from. What was noted last is not noted
// again: a restart of the same version changes nothing. It is no fact, so a failure is only logged.
func (a *App) noteChange(ctx context.Context, kind, what string) {
	if a.conn == nil || what == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := a.conn.Exec(ctx, "INSERT INTO changes (kind, what, at) SELECT ?, ?, now64(3, 'UTC') WHERE (SELECT argMax(what, at) FROM changes WHERE kind = ?) != ?", kind, what, kind, what)
	if err != nil {
		a.log.Warn("a change cannot be noted for the charts", "kind", kind, "what", what, "error", err)
	}
}
