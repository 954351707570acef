package qarules

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
)

// Statuses of a task.
const (
	Open      = "open"
	Claimed   = "claimed"
	Scored    = "scored"
	Published = "published"
	Appealed  = "appealed"
	Closed    = "closed"
	Replaced  = "replaced"
)

// Who hears a task (QATask.for_role); "" is Inspector.
const (
	Inspector   = "inspector"
	LeaderOwn   = "leader_own"
	LeaderOther = "leader_other"
	Supervising = "supervising"
	Calibration = "calibration"
)

// Codes of a refusal.
const (
	NotFound  = "not_found" // there is no such task, or it is closed
	Taken     = "taken"     // another holds it
	Forbidden = "forbidden" // never allowed to this one
	Conflict  = "conflict"  // not in the state the task is in
	Late      = "late"      // the time for it is over
	Invalid   = "invalid"   // what was sent is wrong
	Expired   = "expired"   // nobody waited for the answer any more: nothing was done
)

// Refusal says why something is not done.
type Refusal struct {
	Code    string
	Detail  string
	Pointer string
}

func (r *Refusal) Error() string { return r.Detail }

func no(code, detail string) *Refusal { return &Refusal{Code: code, Detail: detail} }

// Is tells whether a user has one of the roles; admin has all.
func Is(who *event.QAActor, roles ...string) bool {
	for _, r := range who.GetRoles() {
		if r == "admin" || slices.Contains(roles, r) {
			return true
		}
	}
	return false
}

// Role under which a task is heard.
func Role(t *event.QATask) string { return cmp.Or(t.ForRole, Inspector) }

// MayHear says why who may not hear the recording of a task, nil if he may: whatever state the task is in.
func MayHear(who *event.QAActor, s *event.QATaskState, agent *event.QAAgent, now int64) *Refusal {
	t := s.Task
	switch {
	case who.GetUserId() == "":
		return no(Forbidden, "nobody is signed in")
	case who.PartnerId != "" && who.PartnerId != t.PartnerId:
		return no(Forbidden, "the call is another partner's (REP-04)")
	case who.AgentId != "" && who.AgentId == t.AgentId, who.UserId == t.AgentId:
		return no(Forbidden, "it is a call of your own")
	case s.AssignedTo != "" && s.AssignedTo != who.UserId:
		return no(Forbidden, "the task is assigned to another rater")
	case Role(t) != Calibration && slices.Contains(s.HeardBy, who.UserId):
		return no(Forbidden, "you reviewed this call already: this review is a second opinion (SMP-02)")
	}
	for _, r := range agent.GetRecusals() {
		if r.UserId == who.UserId {
			return no(Forbidden, "you are recused from calls of "+t.AgentId)
		}
	}
	return mayByRole(who, s, agent, now)
}

func mayByRole(who *event.QAActor, s *event.QATaskState, agent *event.QAAgent, now int64) *Refusal {
	t := s.Task
	switch Role(t) {
	case Inspector:
		if !Is(who, "qa") {
			return no(Forbidden, "an inspector hears it: role qa is needed")
		}
		if who.TeamId != "" && who.TeamId == t.TeamId {
			return no(Forbidden, "the call is one of your own team")
		}
	case Supervising:
		if !Is(who, "qa", "compliance") {
			return no(Forbidden, "the supervising team hears it: role compliance or qa is needed (SMP-02)")
		}
		if who.TeamId != "" && who.TeamId == t.TeamId {
			return no(Forbidden, "the call is one of your own team")
		}
	case LeaderOwn:
		if !Is(who, "supervisor") || who.TeamId == "" || who.TeamId != t.TeamId {
			return no(Forbidden, "the agent's own team leader hears it (SMP-04)")
		}
	case LeaderOther:
		if !Is(who, "supervisor") || who.TeamId == "" {
			return no(Forbidden, "a team leader hears it (SMP-04)")
		}
		if who.TeamId == t.TeamId {
			return no(Forbidden, "a leader does not cross-check his own team (SMP-04)")
		}
		if now < s.DueAt && rotated(agent, t.Period, who.UserId) { // overdue, anybody is better than nobody
			return no(Forbidden, "you cross-checked this agent last: other leaders take turns (SMP-04)")
		}
	case Calibration:
		if !Is(who, "qa", "compliance", "supervisor") {
			return no(Forbidden, "only raters calibrate")
		}
	}
	return nil
}

// rotated tells whether another leader has to have his turn first: who checked in this period, or was the last before it.
func rotated(agent *event.QAAgent, period, who string) bool {
	checks := agent.GetCrossChecks()
	for i, c := range checks {
		if c.UserId == who && (c.Period == period || i == len(checks)-1) {
			return true
		}
	}
	return false
}

// MayClaim says why who may not take a task now, nil if he may.
func MayClaim(who *event.QAActor, s *event.QATaskState, agent *event.QAAgent, now int64) *Refusal {
	switch {
	case s.Status == Claimed && s.ClaimedBy.GetUserId() == who.GetUserId():
		return nil
	case s.Status == Claimed && s.ClaimExpiresAt > now:
		return no(Taken, "another rater has it")
	case s.Status != Open && s.Status != Claimed:
		return no(Conflict, "the task is "+s.Status)
	}
	return MayHear(who, s, agent, now)
}

// Compare orders open tasks as they are to be taken: complaints first, then the oldest (by when they were drawn), then by id.
func Compare(a, b *event.QATaskState) int {
	return cmp.Or(cmp.Compare(complained(a), complained(b)), cmp.Compare(a.Task.DrawnAt, b.Task.DrawnAt), strings.Compare(a.Task.TaskId, b.Task.TaskId))
}

func complained(s *event.QATaskState) int {
	if len(s.Complaints) > 0 {
		return 0
	}
	return 1
}

// AppealDays is how many calendar days after publication an agent may appeal (APL-01).
const AppealDays = 3

// AppealUntil is the last moment of an appeal: three calendar days after publication, at the same time of the day.
func AppealUntil(published int64, zone *time.Location) int64 {
	return time.UnixMilli(published).In(zone).AddDate(0, 0, AppealDays).UnixMilli()
}

// MayAppeal says why who may not appeal now.
func MayAppeal(who *event.QAActor, s *event.QATaskState, now int64) *Refusal {
	switch {
	case s.Appeal != nil:
		return no(Conflict, "there was an appeal already: one a review (APL-01)")
	case s.Status == Closed && s.Review.GetPublishedAt() > 0:
		return no(Late, "the time for an appeal is over (APL-01)")
	case s.Status != Published:
		return no(Conflict, "the review is not published")
	case who.GetAgentId() == "" || who.AgentId != s.Task.AgentId:
		return no(Forbidden, "the agent whose call it is may appeal")
	case now > s.AppealUntil:
		return no(Late, "the time for an appeal is over (APL-01)")
	}
	return nil
}

// MayDecide says why who may not vote on an appeal for a side (support or leader).
func MayDecide(who *event.QAActor, side string, s *event.QATaskState) *Refusal {
	t := s.Task
	if s.Status != Appealed {
		return no(Conflict, "no appeal is undecided")
	}
	vote, other := s.Appeal.GetSupport(), s.Appeal.GetLeader()
	switch side {
	case "support":
		if !Is(who, "compliance") {
			return no(Forbidden, "support staff vote on this side: role compliance is needed (APL-01)")
		}
	case "leader":
		if !Is(who, "supervisor") || who.TeamId == "" || who.TeamId != t.TeamId {
			return no(Forbidden, "the agent's team leader votes on this side (APL-01)")
		}
		vote, other = other, vote
	default:
		return no(Invalid, `side: expected "support" or "leader"`)
	}
	switch {
	case who.PartnerId != "" && who.PartnerId != t.PartnerId:
		return no(Forbidden, "the call is another partner's (REP-04)")
	case who.UserId == s.Review.GetRater().GetUserId():
		return no(Forbidden, "who made the review has no vote on it (APL-01)")
	case who.AgentId != "" && who.AgentId == t.AgentId, who.UserId == t.AgentId:
		return no(Forbidden, "it is a call of your own")
	case vote != nil:
		return no(Conflict, "this side has voted")
	case other != nil && other.By.GetUserId() == who.UserId:
		return no(Forbidden, "you voted for the other side: two people decide (APL-01)")
	}
	return nil
}

// Top are the agents with the n highest totals, by name; who has the same as the last of them is among them (SMP-06).
func Top(totals map[string]float64, n int) []string {
	agents := slices.Sorted(maps.Keys(totals))
	slices.SortStableFunc(agents, func(a, b string) int { return cmp.Compare(totals[b], totals[a]) })
	for n > 0 && n < len(agents) && totals[agents[n]] == totals[agents[n-1]] {
		n++
	}
	out := agents[:max(0, min(n, len(agents)))]
	slices.Sort(out)
	return out
}

// Sees tells whether who may see a task at all, and with it its review: raters and leaders as their roles go, an agent
// his own published reviews.
func Sees(who *event.QAActor, s *event.QATaskState) bool {
	t := s.Task
	if who.PartnerId != "" && who.PartnerId != t.PartnerId {
		return false
	}
	own := who.AgentId != "" && who.AgentId == t.AgentId || who.UserId == t.AgentId
	if own {
		return s.Review.GetPublishedAt() > 0
	}
	switch {
	case Role(t) == Calibration:
		return s.AssignedTo == who.UserId || Is(who, "compliance")
	case Is(who, "qa", "compliance"):
		return true
	case Is(who, "supervisor"):
		return who.TeamId == "" || who.TeamId == t.TeamId || Role(t) == LeaderOther
	}
	return false
}
