package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/app/apptest"
)

// startQA runs a process with some roles and a Kafka that a test can reach.
func startQA(t testing.TB, sets ...string) (*app.App, []kgo.Opt) {
	t.Helper()
	dir := t.TempDir()
	brokers := apptest.Broker(t, dir)
	a := apptest.Run(t, app.Options{}, append(append(apptest.On(brokers), "data_dir="+dir, "kafka.partitions=2"), sets...)...)
	return a, []kgo.Opt{kgo.SeedBrokers(brokers...)}
}

// until asks again and again until cond, for two minutes at most.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(2*time.Minute), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("waited two minutes until %s", what)
		case <-tick.C:
		}
	}
}

// person speaks to the API for somebody.
type person struct {
	t    testing.TB
	base string
	as   map[string]any
}

func (p person) post(want int, path string, body map[string]any) map[string]any {
	p.t.Helper()
	if body == nil {
		body = map[string]any{}
	}
	body["as"] = p.as
	b, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.Post(p.base+path, "application/json", bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(want, path, res)
}

func (p person) get(want int, path string, query url.Values) map[string]any {
	p.t.Helper()
	b, err := json.Marshal(p.as)
	if err != nil {
		p.t.Fatal(err)
	}
	if query == nil {
		query = url.Values{}
	}
	query.Set("as", string(b))
	res, err := http.Get(p.base + path + "?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(want, path, res)
}

func (p person) read(want int, path string, res *http.Response) map[string]any {
	p.t.Helper()
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != want {
		p.t.Fatalf("%s as %v: %s, want %d: %s", path, p.as["user_id"], res.Status, want, b)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		p.t.Fatalf("%s: %v: %s", path, err, b)
	}
	return out
}

func taskPath(id, do string) string { return "/v1/qa/tasks/" + url.PathEscape(id) + "/" + do }

// answers fills a sheet with yes, and no where said, from the rubric as the API gives it.
func answers(rubric map[string]any, sale bool, no ...string) map[string]any {
	checks := []map[string]any{}
	add := func(id string) {
		a := "yes"
		for _, n := range no {
			if n == id {
				a = "no"
			}
		}
		checks = append(checks, map[string]any{"id": id, "answer": a})
	}
	for _, s := range rubric["sections"].([]any) {
		for _, c := range s.(map[string]any)["checkpoints"].([]any) {
			if m := c.(map[string]any); sale || !m["sale"].(bool) {
				add(m["id"].(string))
			}
		}
	}
	if sale {
		for _, x := range rubric["standards"].([]any) {
			add(x.(map[string]any)["id"].(string))
		}
	}
	return map[string]any{"rubric": rubric["id"], "sale": sale, "checks": checks}
}

// sale is a call of an agent that closed a sale and was recorded.
func sale(i int, agent string, at time.Time) map[string]any {
	s := at.UnixMilli()
	return map[string]any{"call_id": fmt.Sprintf("%s-%d", agent, i), "customer_id": fmt.Sprint("C", i), "purpose": "sales", "products": []string{"p"}, "campaign_id": "k", "agent_id": agent, "team_id": "red",
		"caller_id": "10010", "started_at": client.Time(s), "answered_at": client.Time(s + 1000), "bridged_at": client.Time(s + 2000), "ended_at": client.Time(s + 62_000), "outcome": "answered",
		"answered_by": "human", "disposition": "agree", "recording": map[string]any{"uri": fmt.Sprint(agent, "/", i, ".wav"), "size_bytes": 10_000}}
}

// The whole way of a sample: calls are drawn, heard, published, appealed, decided; what came of it is in ClickHouse, in
// the metrics, in the next draw and on the list of those to be called back; the draws can be redone, and a row that
// somebody changed is found.
func TestQAEndToEnd(t *testing.T) {
	a, _ := startQA(t, "sampling.quiet=500ms", "sampling.grace=0s", "api.trust_client_time=true")
	ctx := t.Context()
	cl := &client.Client{Base: a.URL(), Retry: 30 * time.Second}
	day := time.Date(2026, 3, 6, 2, 0, 0, 0, time.UTC)
	send := func(calls ...any) {
		t.Helper()
		res, err := cl.Send(ctx, "calls", calls...)
		if err != nil || len(res.Rejected) > 0 {
			t.Fatal(err, res)
		}
	}
	var calls []any
	for i := range 25 {
		calls = append(calls, sale(i, "a1", day.Add(time.Duration(i)*time.Minute)))
	}
	send(calls...)
	count := func(q string) int64 {
		var n int64
		if err := a.Conn().QueryRow(ctx, "SELECT toInt64(("+q+"))").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	revealed := func(d string) func() bool {
		return func() bool {
			return count("SELECT count() FROM sampling_keys FINAL WHERE key != '' AND day = '"+d+"'") == 1
		}
	}
	until(t, "the day, its week and its period are closed", func() bool { return revealed("2026-03-06")() && revealed("2026-03-08")() && revealed("2026-03-27")() })
	until(t, "the tasks are in ClickHouse", func() bool { return count("SELECT count() FROM qa_task_status FINAL") >= 3+2+7 })
	if d, w, p := count("SELECT count() FROM qa_tasks FINAL WHERE draw = 'daily'"), count("SELECT count() FROM qa_tasks FINAL WHERE draw = 'weekly'"),
		count("SELECT count() FROM qa_tasks FINAL WHERE draw = 'period'"); d != 3 || w != 2 || p != 7 {
		t.Errorf("%d daily, %d weekly, %d of the period; want 3, 2, 7 of 25", d, w, p)
	}

	who := func(id, team, agent string, roles ...string) person {
		return person{t, a.URL(), map[string]any{"user_id": id, "team_id": team, "agent_id": agent, "roles": roles}}
	}
	ann, bob, chief, support, agent := who("ann", "", "", "qa"), who("bob", "", "", "qa"), who("chief", "red", "", "supervisor"), who("sue", "", "", "compliance"), who("u1", "red", "a1")
	rubrics := ann.get(200, "/v1/qa/rubrics", nil)["rubrics"].([]any)
	standard := rubrics[0].(map[string]any)
	until(t, "the desk shows them", func() bool { return ann.get(200, "/v1/qa/tasks", url.Values{"draw": {"daily"}})["open"].(float64) >= 8 })
	task := ann.post(200, "/v1/qa/claim?draw=daily", nil)
	id := task["task_id"].(string)
	bob.post(409, taskPath(id, "claim"), nil)
	ann.post(200, taskPath(id, "draft"), map[string]any{"seq": 1, "sheet": map[string]any{"rubric": standard["id"], "comment": "ring 13800138000"}})
	if d := ann.get(200, "/v1/qa/tasks/"+url.PathEscape(id), nil); strings.Contains(fmt.Sprint(d), "13800138000") || d["draft"] == nil {
		t.Errorf("the draft is kept, its numbers hidden: %v", d["draft"])
	}
	ann.post(422, taskPath(id, "score"), map[string]any{"sheet": map[string]any{"rubric": standard["id"]}})
	ann.post(400, taskPath(id, "score"), map[string]any{"score": 100})
	scored := ann.post(200, taskPath(id, "score"), map[string]any{"command_id": "s1", "sheet": answers(standard, true, "skill.tariff", "ELIG-04")})
	if r := scored["review"].(map[string]any); r["score"].(float64) != 0 || r["fatal"] != true || r["standards_met"] != false {
		t.Errorf("%v", r)
	}
	agent.get(403, "/v1/qa/tasks/"+url.PathEscape(id), nil)
	chief.post(200, taskPath(id, "publish"), nil)
	agent.get(200, "/v1/qa/tasks/"+url.PathEscape(id), nil)

	// The failing review is in the next draw, and the sale on the list of those to be called back.
	until(t, "the customer is to be called back", func() bool { return count("SELECT count() FROM leads FINAL WHERE campaign_id = 'confirmation'") == 1 })
	for i := range 10 {
		send(sale(100+i, "a1", day.AddDate(0, 0, 1).Add(time.Duration(i)*time.Minute)))
	}
	until(t, "extra checks are drawn", func() bool { return count("SELECT count() FROM qa_tasks FINAL WHERE draw = 'extra'") == 2 })

	kpi := func(metric string) any {
		t.Helper()
		var out []struct {
			Rows []struct {
				Value any `json:"value"`
			} `json:"rows"`
		}
		if err := cl.Get(ctx, "/v1/kpi", url.Values{"metric": {metric}, "from": {"2026-03-01T00:00:00Z"}, "to": {"2026-04-01T00:00:00Z"}, "wait": {"true"}}, &out); err != nil {
			t.Fatal(err)
		}
		return out[0].Rows[0].Value
	}
	if score, pass, sales := kpi("qa_score"), kpi("qa_pass_rate"), kpi("sales_effective_rate"); score != 0.0 || pass != 0.0 || sales != 0.0 {
		t.Errorf("qa_score %v, qa_pass_rate %v, sales_effective_rate %v", score, pass, sales)
	}
	agent.post(422, taskPath(id, "appeal"), nil)
	agent.post(200, taskPath(id, "appeal"), map[string]any{"text": "he was told"})
	ann.post(403, taskPath(id, "decide"), map[string]any{"side": "support", "vote": "void", "reason": "mine"})
	support.post(200, taskPath(id, "decide"), map[string]any{"side": "support", "vote": "amend", "reason": "heard it", "amended": answers(standard, true)})
	if d := chief.post(200, taskPath(id, "decide"), map[string]any{"side": "leader", "vote": "amend", "reason": "so did I"}); d["status"] != "closed" || d["appeal"].(map[string]any)["outcome"] != "amended" {
		t.Errorf("%v", d)
	}
	if score, pass, sales := kpi("qa_score"), kpi("qa_pass_rate"), kpi("sales_effective_rate"); score != 100.0 || pass != 1.0 || sales != 1.0 {
		t.Errorf("after the appeal: qa_score %v, qa_pass_rate %v, sales_effective_rate %v", score, pass, sales)
	}

	// Two raters calibrate on the same recording.
	support.post(200, "/v1/qa/calibrations", map[string]any{"calibration_id": "march", "call_id": "a1-3", "agent_id": "a1", "raters": []string{"ann", "bob"}})
	for _, p := range []struct {
		who person
		no  []string
	}{{ann, []string{"norm.time"}}, {bob, []string{"norm.time", "norm.closing"}}} {
		id := "calibration|march|" + p.who.as["user_id"].(string)
		until(t, "the desk has the task", func() bool { _, err := a.Desk().Task(auditor, id); return err == nil })
		p.who.post(200, taskPath(id, "claim"), nil)
		if s := p.who.post(200, taskPath(id, "score"), map[string]any{"sheet": answers(standard, false, p.no...), "publish": true}); s["status"] != "closed" {
			t.Errorf("a calibration is not published: %v", s)
		}
	}
	until(t, "the calibration is in ClickHouse", func() bool { return count("SELECT count() FROM qa_reviews FINAL WHERE calibration_id = 'march'") == 2 })
	if score, pass := kpi("qa_score"), kpi("qa_pass_rate"); score != 100.0 || pass != 1.0 {
		t.Errorf("a calibration counts: qa_score %v, qa_pass_rate %v", score, pass)
	}
	cal := support.get(200, "/v1/qa/calibrations/march", nil)
	pair := cal["pairs"].([]any)[0].(map[string]any)
	if fmt.Sprint(cal["disputed"]) != "[norm.closing]" || pair["kappa"].(float64) < 0.5 || pair["kappa"].(float64) > 0.7 || cal["alpha"].(float64) > 0.7 {
		t.Errorf("%v", cal)
	}
	if d := support.get(200, "/v1/qa/drift", nil)["raters"].([]any); len(d) != 2 || d[0].(map[string]any)["points"].(float64) != 5 {
		t.Errorf("%v", d)
	}

	// A recording that is missing is replaced, and every draw can be redone.
	other := bob.post(200, "/v1/qa/claim?draw=daily", nil)["task_id"].(string)
	bob.post(200, taskPath(other, "report"), map[string]any{"problem": "missing"})
	until(t, "another is drawn in its place", func() bool { return count("SELECT count() FROM qa_tasks FINAL WHERE replaces != ''") == 1 })
	until(t, "the next day is closed", revealed("2026-03-07"))
	verify := func() (e app.Everything) {
		t.Helper()
		if err := cl.Get(ctx, "/v1/sampling/verify", url.Values{"day": {"all"}}, &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	until(t, "the last facts are in ClickHouse", func() bool { return verify().OK })
	if e := verify(); e.Population != 35 || e.Drawn != 4 || e.Draws["weekly"] != 1 || e.Draws["period"] != 1 || e.Draws["extra"] != 1 || e.Draws["replacement"] == 0 {
		t.Errorf("%+v", e)
	}
	for _, lie := range []string{
		"INSERT INTO sampling_population SELECT * REPLACE ([] AS drawn, revision + 100 AS revision) FROM (SELECT * FROM sampling_population FINAL WHERE has(drawn, 'weekly') LIMIT 1)",
		"INSERT INTO sampling_population SELECT * REPLACE (arrayConcat(drawn, ['daily']) AS drawn, revision + 100 AS revision) FROM (SELECT * FROM sampling_population FINAL WHERE NOT has(drawn, 'daily') LIMIT 1)",
	} {
		if err := a.Conn().Exec(ctx, lie); err != nil {
			t.Fatal(err)
		}
		e := verify()
		if e.OK || len(e.Wrong) == 0 {
			t.Errorf("the draw is said to be right after %s", lie)
		}
	}
}
