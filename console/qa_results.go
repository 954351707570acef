package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/identity"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
)

// agentResult is what the published reviews of a period say about one agent.
type agentResult struct {
	Agent, Team           string
	Reviews, Passed       uint64
	Score                 float64
	Fatal, Sales, ValidOf uint64
	Penalty               float64
}

type teamData struct {
	From, To time.Time
	Agents   []agentResult
	Recent   qadesk.Page
	Loads    []qadesk.Load
	Now      int64
}

// period is the assessment period a moment is in: from the 28th to the 27th (PER-01).
func period(t time.Time) (from, to time.Time) {
	y, m, d := t.Date()
	if d < 28 {
		m--
	}
	from = time.Date(y, m, 28, 0, 0, 0, 0, t.Location())
	return from, from.AddDate(0, 1, 0)
}

func (c *console) team(w http.ResponseWriter, r *http.Request, u *identity.User) {
	d := teamData{Now: c.opt.Now().UnixMilli()}
	d.From, d.To = period(c.opt.Now().In(c.opt.Zone))
	if r.URL.Query().Get("period") == "last" {
		d.To = d.From
		d.From = d.From.AddDate(0, -1, 0)
	}
	cond, args := confined(u)
	var err error
	d.Agents, err = collect(r.Context(), c, "the results", func(scan func(...any) error, x *agentResult) error {
		return scan(&x.Agent, &x.Team, &x.Reviews, &x.Passed, &x.Score, &x.Fatal, &x.Sales, &x.ValidOf, &x.Penalty)
	}, `SELECT agent_id, any(team_id), count(), countIf(passed), avg(score), countIf(fatal), countIf(sale), countIf(sale AND standards_met), sum(penalty) FROM qa_reviews FINAL
		WHERE isNotNull(published_at) AND NOT void AND calibration_id = '' AND call_started_at >= ? AND call_started_at < ? AND `+cond+` GROUP BY agent_id ORDER BY avg(score), agent_id`,
		append([]any{d.From.UTC(), d.To.UTC()}, args...)...)
	if err != nil {
		c.broken(w, r, err)
		return
	}
	d.Recent = c.opt.QA.Desk.Results(actor(u), qadesk.Filter{Limit: 25})
	if u.PartnerID == "" { // the load of raters is no partner's
		d.Loads = c.opt.QA.Desk.Workload()
	}
	c.show(w, r, http.StatusOK, "team", "nav.team", d)
}

type appealsData struct {
	Open []*event.QATaskState
	Past []pastAppeal
}

type pastAppeal struct {
	Review, Agent, Outcome, Support, Leader string
	At                                      time.Time
	Before, After                           float64
}

func (c *console) pastAppeals(r *http.Request, cond string, args []any) ([]pastAppeal, error) {
	return collect(r.Context(), c, "the appeals", func(scan func(...any) error, x *pastAppeal) error {
		return scan(&x.Review, &x.Agent, &x.Outcome, &x.Support, &x.Leader, &x.At, &x.Before, &x.After)
	}, "SELECT review_id, agent_id, outcome, support_vote, leader_vote, at, score_before, score_after FROM qa_appeals FINAL WHERE outcome != '' AND "+cond+" ORDER BY at DESC LIMIT 50", args...)
}

func (c *console) appeals(w http.ResponseWriter, r *http.Request, u *identity.User) {
	d := appealsData{Open: c.opt.QA.Desk.Appeals(actor(u))}
	cond, args := confined(u)
	var err error
	if d.Past, err = c.pastAppeals(r, cond, args); err != nil {
		c.broken(w, r, err)
		return
	}
	c.show(w, r, http.StatusOK, "appeals", "nav.appeals", d)
}

// ownResult is one of an agent's published reviews.
type ownResult struct {
	State     *event.QATaskState
	MayAppeal bool
	Command   string
}

type meData struct {
	Results []ownResult
	Past    []pastReview
	Period  agentResult
	From    time.Time
	Appeals []pastAppeal
}

type pastReview struct {
	Review, Campaign, Draw string
	Call                   time.Time
	Published              time.Time
	Score                  float64
	Passed, Void, Amended  bool
}

// me is an agent's own page: his published results, and his appeals (APL-01).
func (c *console) me(w http.ResponseWriter, r *http.Request, u *identity.User) {
	var d meData
	now := c.opt.Now()
	d.From, _ = period(now.In(c.opt.Zone))
	for _, s := range c.opt.QA.Desk.Results(actor(u), qadesk.Filter{Agent: u.AgentID, Limit: 100}).Tasks {
		d.Results = append(d.Results, ownResult{s, qarules.MayAppeal(actor(u), s, now.UnixMilli()) == nil, uuid.NewString()})
	}
	var err error
	d.Past, err = collect(r.Context(), c, "the results", func(scan func(...any) error, x *pastReview) error {
		return scan(&x.Review, &x.Campaign, &x.Draw, &x.Call, &x.Published, &x.Score, &x.Passed, &x.Void, &x.Amended)
	}, `SELECT r.review_id, r.campaign_id, r.draw, r.call_started_at, assumeNotNull(s.published_at), r.score, r.passed, r.void, r.amended FROM
		(SELECT * FROM qa_reviews FINAL WHERE agent_id = ? AND calibration_id = '') AS r INNER JOIN (SELECT task_id, published_at FROM qa_task_status FINAL WHERE agent_id = ? AND isNotNull(published_at)) AS s ON s.task_id = r.review_id
		ORDER BY s.published_at DESC LIMIT 100`, u.AgentID, u.AgentID)
	if err == nil {
		d.Appeals, err = c.pastAppeals(r, "agent_id = ?", []any{u.AgentID})
	}
	if err != nil {
		c.broken(w, r, err)
		return
	}
	for _, x := range d.Past {
		if x.Void || x.Call.Before(d.From) {
			continue
		}
		d.Period.Reviews++
		d.Period.Score += x.Score
		if x.Passed {
			d.Period.Passed++
		}
	}
	if d.Period.Reviews > 0 {
		d.Period.Score /= float64(d.Period.Reviews)
	}
	c.show(w, r, http.StatusOK, "me", "nav.me", d)
}

// searchRow is a call that was found.
type searchRow struct {
	Call, Agent, Team, Campaign, Outcome, Disposition, Number, Task, Status string
	At                                                                      time.Time
	Score                                                                   *float64
}

type searchData struct {
	Query, Problem string
	Rows           []searchRow
	Asked          bool
}

// mostFound is how many calls a search shows.
const mostFound = 50

// search finds calls by call, agent, campaign, or task: a word that is an id, or the beginning of one.
func (c *console) search(w http.ResponseWriter, r *http.Request, u *identity.User) {
	d := searchData{Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	if n := len([]rune(d.Query)); n > 0 {
		d.Asked = true
		switch {
		case n < 2 || n > 200:
			d.Problem = "length"
		case maskedText(d.Query) != d.Query:
			d.Problem, d.Query = "number", maskedText(d.Query) // a number is no word to search for, and is shown to nobody
		}
	}
	if d.Asked && d.Problem == "" {
		cond, args := confined(u)
		like := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(d.Query) + "%"
		var err error
		d.Rows, err = collect(r.Context(), c, "the calls", func(scan func(...any) error, x *searchRow) error {
			return scan(&x.Call, &x.Agent, &x.Team, &x.Campaign, &x.Outcome, &x.Disposition, &x.Number, &x.At, &x.Task, &x.Status, &x.Score)
		}, `SELECT c.call_id, c.agent_id, c.team_id, c.campaign_id, c.outcome, c.disposition, c.number_masked, c.started_at, t.task_id, t.status, t.score FROM
			(SELECT * FROM calls FINAL WHERE (call_id LIKE ? OR agent_id = ? OR campaign_id = ?
				OR call_id IN (SELECT call_id FROM qa_task_status WHERE task_id = ?)) AND `+cond+` ORDER BY started_at DESC LIMIT ?) AS c
			LEFT JOIN (SELECT s.call_id AS call_id, s.task_id AS task_id, s.status AS status, if(isNull(r.published_at), NULL, r.score) AS score
				FROM (SELECT * FROM qa_task_status FINAL) AS s LEFT JOIN (SELECT review_id, score, published_at FROM qa_reviews FINAL) AS r ON r.review_id = s.task_id) AS t ON t.call_id = c.call_id
			ORDER BY c.started_at DESC`, append(append([]any{like, d.Query, d.Query, d.Query}, args...), mostFound)...)
		if err != nil {
			c.broken(w, r, err)
			return
		}
	}
	c.show(w, r, http.StatusOK, "search", "nav.search", d)
}

var errCall = errors.New("which call? its id is needed, and two raters at least")
