package asterisk

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// Known is what the CDRs say of a call that queue_log names by a unique id.
type Known struct {
	CallID, Number, CustomerID string
	Ended                      time.Time
	Outcome                    string
}

// Index reads the CDRs of r for the calls of a queue_log, by every unique id that takes part in one.
func Index(r io.Reader, opt Options) (map[string]Known, error) {
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	c := NewCDR(r, opt)
	out := map[string]Known{}
	c.onGroup = func(g *group, call rows.Call) {
		k := Known{CallID: call.CallID, Number: call.Number, CustomerID: call.CustomerID, Ended: g.end, Outcome: call.Outcome}
		for _, r := range g.rows {
			out[r.get("uniqueid")] = k
		}
		out[g.id] = k
	}
	for {
		if _, err := c.Read(); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the CDRs: %w", err)
		}
	}
}

type agent struct {
	queues map[string]bool
	paused map[string]string
	call   string
	static bool // never added: a member by configuration
	state  string
	reason string
}

// QueueLog reads queue_log: agents' states, and who came on the line of which call. Times are epoch seconds.
type QueueLog struct {
	opt    Options
	lines  *rows.Lines
	agents map[string]*agent
}

// NewQueueLog reads r. Calls are joined to opt.Calls by unique id; a call that is not there has a customer of its own.
func NewQueueLog(r io.Reader, opt Options) *QueueLog {
	return &QueueLog{opt: opt, lines: rows.NewLines(r), agents: map[string]*agent{}}
}

// Read returns the next row. Rows that change no agent's state and no call are skipped.
func (q *QueueLog) Read() (rows.Item, error) {
	for {
		p, err := q.lines.Next()
		if err != nil && !errors.Is(err, rows.ErrTooLong) {
			return rows.Item{}, err
		}
		if err == nil && strings.TrimSpace(p.Raw) == "" {
			continue
		}
		it := rows.Item{Pos: []rows.Pos{p}, Safe: p.End}
		if err == nil {
			it.Rows, err = q.row(p.Raw, p.Cut)
		}
		if err != nil {
			it.Rows, it.Broken = nil, err.Error()
		}
		return it, nil
	}
}

// needs is how many parameters an event has at least: with fewer it was cut.
var needs = map[string]int{"CONNECT": 3, "COMPLETEAGENT": 3, "COMPLETECALLER": 3, "ABANDON": 3, "EXITWITHTIMEOUT": 3, "RINGNOANSWER": 1}

// whole are the events ringfence knows; a cut one of the rest cannot be told from a new one.
var whole = map[string]bool{
	"ENTERQUEUE": true, "CONNECT": true, "COMPLETEAGENT": true, "COMPLETECALLER": true, "ABANDON": true, "EXITWITHTIMEOUT": true,
	"EXITEMPTY": true, "EXITWITHKEY": true, "RINGNOANSWER": true, "RINGCANCELED": true, "PAUSE": true, "UNPAUSE": true, "PAUSEALL": true,
	"UNPAUSEALL": true, "ADDMEMBER": true, "REMOVEMEMBER": true, "AGENTLOGIN": true, "AGENTCALLBACKLOGIN": true, "AGENTLOGOFF": true,
	"AGENTCALLBACKLOGOFF": true, "BLINDTRANSFER": true, "ATTENDEDTRANSFER": true, "QUEUESTART": true, "CONFIGRELOAD": true, "DID": true,
}

func (q *QueueLog) row(s string, cut bool) ([]rows.Row, error) {
	f := strings.Split(s, "|")
	if len(f) < 5 {
		return nil, fmt.Errorf("has %d fields, expected epoch|callid|queue|agent|event", len(f))
	}
	sec, err := strconv.ParseFloat(f[0], 64)
	if err != nil || sec <= 0 || sec > 1e11 {
		return nil, fmt.Errorf("%q is no epoch time", f[0])
	}
	at := time.UnixMilli(int64(sec * 1000)).UTC()
	ev, params := f[4], f[5:]
	if len(params) < needs[ev] || (cut && !whole[ev]) {
		return nil, fmt.Errorf("%s has %d parameters, expected %d", ev, len(params), needs[ev])
	}
	switch ev {
	case "ABANDON", "EXITWITHTIMEOUT":
		return q.call(f[1], "", at, "abandoned")
	case "ENTERQUEUE", "QUEUESTART", "CONFIGRELOAD", "RINGNOANSWER", "RINGCANCELED":
		return nil, nil
	}
	if f[3] == "NONE" || f[3] == "" || !whole[ev] {
		return nil, nil
	}
	id := Agent(f[3])
	a := q.agents[id]
	if a == nil {
		a = &agent{queues: map[string]bool{}, paused: map[string]string{}, state: "logged_out", static: ev != "ADDMEMBER" && !strings.HasPrefix(ev, "AGENT")}
		q.agents[id] = a
	}
	var out []rows.Row
	reason := ""
	if len(params) > 0 {
		reason = params[0]
	}
	switch ev {
	case "ADDMEMBER", "AGENTLOGIN", "AGENTCALLBACKLOGIN":
		a.queues[f[2]] = true
	case "REMOVEMEMBER", "AGENTLOGOFF", "AGENTCALLBACKLOGOFF":
		delete(a.queues, f[2])
		delete(a.paused, f[2])
	case "PAUSE", "PAUSEALL":
		a.paused[f[2]] = reason
	case "UNPAUSE":
		delete(a.paused, f[2])
	case "UNPAUSEALL":
		clear(a.paused)
	case "CONNECT":
		a.call = f[1]
		if out, err = q.call(f[1], id, at, "answered"); err != nil {
			return nil, err
		}
	case "COMPLETEAGENT", "COMPLETECALLER", "BLINDTRANSFER", "ATTENDEDTRANSFER":
		a.call = ""
	default:
		return nil, nil
	}
	state, why := a.now()
	if state == a.state && why == a.reason && ev != "CONNECT" {
		return out, nil
	}
	a.state, a.reason = state, why
	st := rows.AgentState{AgentID: id, State: state, At: rows.Time(at), Reason: why}
	if a.call != "" {
		st.CallID = q.known(a.call).CallID
	}
	row, err := rows.NewAgentState(st)
	if err != nil {
		return nil, err
	}
	return append(out, row), nil
}

// now is the agent's state: a pause during a call begins when the call ends.
func (a *agent) now() (state, reason string) {
	if a.call != "" {
		return "talking", ""
	}
	if len(a.paused) > 0 {
		var reasons []string
		for _, r := range a.paused {
			reasons = append(reasons, r)
		}
		slices.Sort(reasons)
		r := reasons[len(reasons)-1]
		return PauseState(r), r
	}
	if a.static || len(a.queues) > 0 {
		return "available", ""
	}
	return "logged_out", ""
}

// PauseState is the state of the contract that a pause's reason tells of; without a reason it is a break.
func PauseState(reason string) string {
	r := strings.ToLower(reason)
	if strings.TrimSpace(r) == "" {
		return "break"
	}
	for _, w := range []struct{ state, words string }{
		{"wrap_up", "wrap acw after-call aftercall 话后 整理"}, {"meal", "lunch dinner meal food eat 午餐 吃饭 用餐 обед"},
		{"training", "train coach course 培训 辅导 обучение"}, {"meeting", "meeting brief huddle 会议 开会 совещание"},
		{"paperwork", "paper admin backoffice back-office 文书 案头"}, {"break", "break rest pause tea coffee smoke toilet wc 休息 小休 перерыв"},
	} {
		for _, x := range strings.Fields(w.words) {
			if strings.Contains(r, x) {
				return w.state
			}
		}
	}
	return "other"
}

func (q *QueueLog) known(uniqueid string) Known {
	if k, ok := q.opt.Calls[uniqueid]; ok {
		return k
	}
	return Known{CallID: CallID(uniqueid), CustomerID: CallID(uniqueid)}
}

// call is the update of a call: it changes who was on the line and since when, or that nobody was.
func (q *QueueLog) call(uniqueid, agent string, at time.Time, outcome string) ([]rows.Row, error) {
	if uniqueid == "" || uniqueid == "NONE" || uniqueid == "MANAGER" {
		return nil, fmt.Errorf("a call's event without a call")
	}
	k := q.known(uniqueid)
	updated := at
	if k.Ended.After(at) { // of what the CDR says too, the log knows better
		updated = k.Ended
	}
	c := rows.Call{CallID: k.CallID, Number: k.Number, CustomerID: k.CustomerID, AgentID: agent, Outcome: outcome,
		UpdatedAt: rows.Time(updated.Add(time.Millisecond))}
	if agent != "" {
		c.BridgedAt = rows.Time(at)
	}
	r, err := rows.NewCall(c, k.CallID)
	if err != nil {
		return nil, err
	}
	return []rows.Row{r}, nil
}
