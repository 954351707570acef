package qadesk

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/btree"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/qarules"
)

// shelf is a kind of open tasks that the same people may hear.
type shelf struct {
	role string
	team string // of leader_own: the team; of calibration and assigned tasks: the rater
}

// view is every task that is not closed.
type view struct {
	mu      sync.RWMutex
	tasks   map[string]*event.QATaskState
	agents  map[string]*event.QAAgent
	open    map[shelf]*btree.BTreeG[*event.QATaskState]
	holders map[string]map[string]*event.QATaskState // claimed, by rater
	gone    map[string]uint64                        // closed, at which revision: an older answer or record does not bring one back
	offered map[string]int64                         // being claimed through this desk, until when (Unix ms)
	status  map[[2]string]int                        // how many, by partner and status
}

func newView() *view {
	return &view{tasks: map[string]*event.QATaskState{}, agents: map[string]*event.QAAgent{}, open: map[shelf]*btree.BTreeG[*event.QATaskState]{},
		holders: map[string]map[string]*event.QATaskState{}, gone: map[string]uint64{}, offered: map[string]int64{}, status: map[[2]string]int{}}
}

func shelfOf(s *event.QATaskState) shelf {
	role := qarules.Role(s.Task)
	switch {
	case s.AssignedTo != "":
		return shelf{"assigned", s.AssignedTo}
	case role == qarules.LeaderOwn:
		return shelf{role, s.Task.TeamId}
	}
	return shelf{role: role}
}

func less(a, b *event.QATaskState) bool { return qarules.Compare(a, b) < 0 }

// apply takes a state unless a newer one is known.
func (v *view) apply(s *event.QATaskState) {
	id := s.Task.TaskId
	if rev, ok := v.gone[id]; ok && s.Revision <= rev {
		return
	}
	if was := v.tasks[id]; was != nil {
		if was.Revision >= s.Revision {
			return
		}
		v.drop(was)
	}
	if s.Status == qarules.Closed || s.Status == qarules.Replaced {
		v.gone[id] = s.Revision
		return
	}
	v.tasks[id] = s
	v.status[[2]string{s.Task.PartnerId, s.Status}]++
	switch s.Status {
	case qarules.Open:
		at := shelfOf(s)
		if v.open[at] == nil {
			v.open[at] = btree.NewG(32, less)
		}
		v.open[at].ReplaceOrInsert(s)
	case qarules.Claimed:
		who := s.ClaimedBy.GetUserId()
		if v.holders[who] == nil {
			v.holders[who] = map[string]*event.QATaskState{}
		}
		v.holders[who][id] = s
	}
}

func (v *view) drop(s *event.QATaskState) {
	id := s.Task.TaskId
	delete(v.tasks, id)
	v.status[[2]string{s.Task.PartnerId, s.Status}]--
	switch s.Status {
	case qarules.Open:
		v.open[shelfOf(s)].Delete(s)
	case qarules.Claimed:
		delete(v.holders[s.ClaimedBy.GetUserId()], id)
	}
}

// keptGone is how many closed tasks are remembered: an answer is never later than so many others.
const keptGone = 100_000

// record takes a record of the queue's topic; no value means closed.
func (v *view) record(key string, value []byte) error {
	if len(value) == 0 {
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.gone) > keptGone {
			clear(v.gone)
		}
		v.gone[key] = math.MaxUint64
		if was := v.tasks[key]; was != nil {
			v.drop(was)
		}
		return nil
	}
	e := &event.QAQueueEntry{}
	if err := e.UnmarshalVT(value); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch b := e.Body.(type) {
	case *event.QAQueueEntry_Task:
		v.apply(b.Task)
	case *event.QAQueueEntry_Agent:
		v.agent(b.Agent)
	}
	return nil
}

func (v *view) agent(a *event.QAAgent) {
	if was := v.agents[a.AgentId]; was == nil || was.Revision < a.Revision {
		v.agents[a.AgentId] = a
	}
}

// shelves a user may take from.
func (v *view) shelves(who *event.QAActor) []*btree.BTreeG[*event.QATaskState] {
	var out []*btree.BTreeG[*event.QATaskState]
	for _, s := range []shelf{{"assigned", who.UserId}, {role: qarules.Inspector}, {role: qarules.Supervising}, {qarules.LeaderOwn, who.TeamId}, {role: qarules.LeaderOther}} {
		if t := v.open[s]; t != nil && t.Len() > 0 {
			out = append(out, t)
		}
	}
	return out
}

// maxLooked bounds how many tasks are looked at for one that a user may take: beyond it he is told there is none.
const maxLooked = 200_000

// ascend calls f for the open tasks a user may take and the filter lets through, in order, until f says stop.
func (v *view) ascend(who *event.QAActor, f Filter, now int64, each func(*event.QATaskState) bool) {
	shelves := v.shelves(who)
	heads := make([]*event.QATaskState, len(shelves))
	for i, t := range shelves {
		heads[i] = v.first(t, nil, who, f, now)
	}
	for {
		best := -1
		for i, h := range heads {
			if h != nil && (best < 0 || less(h, heads[best])) {
				best = i
			}
		}
		if best < 0 || !each(heads[best]) {
			return
		}
		heads[best] = v.first(shelves[best], heads[best], who, f, now)
	}
}

// first is the first task of a shelf after another that may be taken.
func (v *view) first(t *btree.BTreeG[*event.QATaskState], after *event.QATaskState, who *event.QAActor, f Filter, now int64) *event.QATaskState {
	var found *event.QATaskState
	looked := 0
	look := func(s *event.QATaskState) bool {
		if looked++; looked > maxLooked {
			return false
		}
		if s == after || v.offered[s.Task.TaskId] > now || !f.lets(s, now) || qarules.MayClaim(who, s, v.agents[s.Task.AgentId], now) != nil {
			return true
		}
		found = s
		return false
	}
	if after == nil {
		t.Ascend(look)
	} else {
		t.AscendGreaterOrEqual(after, look)
	}
	return found
}

// offer picks the next task for a user and keeps others of this desk from it for a moment.
func (v *view) offer(who *event.QAActor, f Filter, now int64, hold time.Duration) *event.QATaskState {
	v.mu.Lock()
	defer v.mu.Unlock()
	var next *event.QATaskState
	v.ascend(who, f, now, func(s *event.QATaskState) bool { next = s; return false })
	if next != nil {
		v.offered[next.Task.TaskId] = now + hold.Milliseconds()
	}
	return next
}

func (v *view) settle(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.offered, id)
}

func (v *view) took(a *event.QAAnswer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a.State != nil {
		v.apply(a.State)
	}
	if a.Agent != nil {
		v.agent(a.Agent)
	}
}

// Filter narrows what a list shows; empty fields let everything through.
type Filter struct {
	Agent, Team, Campaign, Draw, Status, Rater string
	Overdue, Complained                        bool
	Offset, Limit                              int // Limit 0 = 50
}

func (f Filter) lets(s *event.QATaskState, now int64) bool {
	t := s.Task
	rater := s.Review.GetRater().GetUserId()
	if rater == "" {
		rater = s.ClaimedBy.GetUserId()
	}
	is := func(want, have string) bool { return want == "" || want == have }
	return is(f.Agent, t.AgentId) && is(f.Team, t.TeamId) && is(f.Campaign, t.CampaignId) && is(f.Draw, t.Draw) && is(f.Status, s.Status) && is(f.Rater, rater) &&
		(!f.Overdue || s.DueAt < now) && (!f.Complained || len(s.Complaints) > 0)
}

func (f Filter) limit() int {
	if f.Limit <= 0 {
		return 50
	}
	return min(f.Limit, 1000)
}

// Page is a part of a list.
type Page struct {
	Tasks []*event.QATaskState
	More  bool           // there are others behind
	Open  int            // open tasks on the shelves he takes from, those he may not take included
	Count map[string]int // of all tasks that are not closed, by status; of a confined user, of his partner's (REP-04)
}

// Queue lists open tasks a user may take, as they are to be taken.
func (d *Desk) Queue(who *event.QAActor, f Filter) Page {
	v, now := d.view, d.now().UnixMilli()
	v.mu.RLock()
	defer v.mu.RUnlock()
	p := Page{Count: map[string]int{}}
	for k, n := range v.status {
		if n > 0 && (who.PartnerId == "" || who.PartnerId == k[0]) {
			p.Count[k[1]] += n
		}
	}
	for _, t := range v.shelves(who) {
		p.Open += t.Len()
	}
	if who.PartnerId != "" { // the shelves are of all partners
		p.Open = min(p.Open, p.Count[qarules.Open])
	}
	skip := f.Offset
	v.ascend(who, f, now, func(s *event.QATaskState) bool {
		if skip > 0 {
			skip--
			return true
		}
		if len(p.Tasks) == f.limit() {
			p.More = true
			return false
		}
		p.Tasks = append(p.Tasks, s)
		return true
	})
	return p
}

// Mine are the tasks a user has claimed and may still see, with his drafts, the oldest claim first.
func (d *Desk) Mine(who *event.QAActor) []*event.QATaskState {
	now := d.now().UnixMilli()
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	var out []*event.QATaskState
	for _, s := range d.view.holders[who.UserId] {
		if d.view.shows(who, s, now) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *event.QATaskState) int { return int(a.ClaimedAt - b.ClaimedAt) })
	return out
}

// shows tells whether a user may see a task: its review as his roles go, or its recording because he may hear it.
func (v *view) shows(who *event.QAActor, s *event.QATaskState, now int64) bool {
	return qarules.Sees(who, s) || qarules.MayHear(who, s, v.agents[s.Task.AgentId], now) == nil
}

// held is how many tasks a user has claimed, those that he may no longer see included.
func (d *Desk) held(userID string) int {
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	return len(d.view.holders[userID])
}

// Task is one that is not closed, for a user who may see it. The error is a *Refusal: not_found, or forbidden.
func (d *Desk) Task(who *event.QAActor, id string) (*event.QATaskState, error) {
	s, ok := d.task(id)
	if !ok {
		return nil, &Refusal{Code: qarules.NotFound, Detail: "there is no such task, or it is closed"}
	}
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	if !d.view.shows(who, s, d.now().UnixMilli()) {
		return nil, &Refusal{Code: qarules.Forbidden, Detail: "the task is not yours to see"}
	}
	return s, nil
}

func (d *Desk) task(id string) (*event.QATaskState, bool) {
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	s, ok := d.view.tasks[id]
	return s, ok
}

// Agent is what stands about an agent: recusals, exemptions, cross-checks. It is never nil.
func (d *Desk) Agent(id string) *event.QAAgent {
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	if a := d.view.agents[id]; a != nil {
		return a
	}
	return &event.QAAgent{AgentId: id}
}

// Results lists what a user may see of scored, published and appealed tasks, the newest review first; an agent sees his
// own published ones.
func (d *Desk) Results(who *event.QAActor, f Filter) Page {
	now := d.now().UnixMilli()
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	var all []*event.QATaskState
	for _, s := range d.view.tasks {
		if s.Review != nil && f.lets(s, now) && qarules.Sees(who, s) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *event.QATaskState) int {
		if a.Review.ScoredAt != b.Review.ScoredAt {
			return int(b.Review.ScoredAt - a.Review.ScoredAt)
		}
		return qarules.Compare(a, b)
	})
	p := Page{}
	if f.Offset < len(all) {
		p.Tasks = all[f.Offset:min(len(all), f.Offset+f.limit())]
	}
	p.More = f.Offset+f.limit() < len(all)
	return p
}

// Appeals are undecided appeals a user may see, the oldest first.
func (d *Desk) Appeals(who *event.QAActor) []*event.QATaskState {
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	var out []*event.QATaskState
	for _, s := range d.view.tasks {
		if s.Status == qarules.Appealed && qarules.Sees(who, s) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *event.QATaskState) int { return int(a.Appeal.At - b.Appeal.At) })
	return out
}

// Load is what one rater has to do and has done.
type Load struct {
	UserID  string `json:"user_id"`
	Name    string `json:"name,omitempty"`
	Claimed int    `json:"claimed"`
	Overdue int    `json:"overdue"`
	Today   int    `json:"done_today"` // scored since midnight of the reporting zone, of those not closed yet
}

// Workload of every rater who holds a task or has scored one that is not closed yet, by user id.
func (d *Desk) Workload() []Load {
	now := d.now()
	local := now.In(d.zone)
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, d.zone).UnixMilli()
	d.view.mu.RLock()
	defer d.view.mu.RUnlock()
	by := map[string]*Load{}
	at := func(who *event.QAActor) *Load {
		if by[who.GetUserId()] == nil {
			by[who.GetUserId()] = &Load{UserID: who.GetUserId(), Name: who.GetName()}
		}
		return by[who.GetUserId()]
	}
	for _, s := range d.view.tasks {
		switch {
		case s.Status == qarules.Claimed:
			l := at(s.ClaimedBy)
			l.Claimed++
			if s.DueAt < now.UnixMilli() {
				l.Overdue++
			}
		case s.Review != nil && s.Review.ScoredAt >= midnight:
			at(s.Review.Rater).Today++
		}
	}
	out := make([]Load, 0, len(by))
	for _, l := range by {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Load) int {
		if a.UserID < b.UserID {
			return -1
		}
		return 1
	})
	return out
}
