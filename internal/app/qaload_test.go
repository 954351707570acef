package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

var (
	loadTasks  = flag.Int("qa.tasks", 5000, "open tasks of the test of the queue's speed; `make qa-load` takes 100000")
	loadRaters = flag.Int("qa.raters", 50, "raters who work at once")
	loadClaims = flag.Int("qa.claims", 8, "tasks each of them does; `make qa-load` takes 40")
	loadThink  = flag.Duration("qa.think", 0, "how long a rater listens between two commands, on average; a real one takes minutes")
	loadP99    = flag.Duration("qa.p99", 0, "fail if the 99th percentile of claims takes longer; 0 = print it only")
)

// Fifty raters work over HTTP at once: each claims, drafts, scores and publishes. No task is given to two, none is done
// twice, and claims are answered in time.
func TestRatersAtOnce(t *testing.T) {
	a, opts := startQA(t, "roles=[api, qa]", "kafka.partitions=8")
	cl, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.MaxBufferedRecords(50_000))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	at := time.Now().Add(-time.Hour).UnixMilli()
	for i := range *loadTasks {
		task := &event.QATask{TaskId: fmt.Sprint("daily|", i), CallId: fmt.Sprint("c", i), AgentId: fmt.Sprint("agent", i%100), TeamId: fmt.Sprint("team", i%10), Draw: "daily", Day: "2026-03-06", DrawnAt: at + int64(i)}
		v, err := task.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		cl.Produce(t.Context(), &kgo.Record{Topic: event.TopicQATasks, Key: []byte(task.AgentId), Value: v}, nil)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ann := person{t, a.URL(), map[string]any{"user_id": "ann", "roles": []string{"qa"}}}
	until(t, "the desk shows all tasks", func() bool {
		return int(ann.get(200, "/v1/qa/tasks", nil)["open"].(float64)) == *loadTasks
	})
	standard := ann.get(200, "/v1/qa/rubrics", nil)["rubrics"].([]any)[0].(map[string]any)

	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *loadRaters}}
	defer web.CloseIdleConnections()
	var mu sync.Mutex
	var claims, scores []time.Duration
	done := map[string]string{}
	var failed error
	var wg sync.WaitGroup
	for r := range *loadRaters {
		wg.Go(func() {
			who := fmt.Sprint("rater", r)
			post := func(path string, body map[string]any) (map[string]any, time.Duration, error) {
				body["as"] = map[string]any{"user_id": who, "roles": []string{"qa"}}
				b, err := json.Marshal(body)
				if err != nil {
					return nil, 0, err
				}
				began := time.Now()
				res, err := web.Post(a.URL()+path, "application/json", bytes.NewReader(b))
				if err != nil {
					return nil, 0, err
				}
				defer func() { _ = res.Body.Close() }()
				got, err := io.ReadAll(res.Body)
				took := time.Since(began)
				if err == nil && res.StatusCode != 200 {
					err = fmt.Errorf("%s: %s: %s", path, res.Status, got)
				}
				var out map[string]any
				if err == nil {
					err = json.Unmarshal(got, &out)
				}
				return out, took, err
			}
			listen := func() {
				if *loadThink > 0 {
					<-time.After(rand.N(2 * *loadThink))
				}
			}
			for range *loadClaims {
				listen()
				task, took, err := post("/v1/qa/claim", map[string]any{})
				var scored time.Duration
				id, _ := task["task_id"].(string)
				listen()
				if err == nil {
					_, _, err = post(taskPath(id, "draft"), map[string]any{"seq": 1, "sheet": map[string]any{"rubric": standard["id"], "comment": "half"}})
				}
				listen()
				if err == nil {
					_, scored, err = post(taskPath(id, "score"), map[string]any{"sheet": answers(standard, false), "publish": true})
				}
				mu.Lock()
				if err == nil && done[id] != "" {
					err = fmt.Errorf("%s is done by %s and %s", id, done[id], who)
				}
				done[id] = who
				claims, scores = append(claims, took), append(scores, scored)
				failed = errorsFirst(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	began := time.Now()
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	if want := *loadRaters * *loadClaims; len(done) != want {
		t.Errorf("%d tasks done, want %d", len(done), want)
	}
	slices.Sort(claims)
	slices.Sort(scores)
	pick := func(d []time.Duration, q float64) time.Duration { return d[int(q*float64(len(d)-1))] }
	t.Logf("%d raters, %d open tasks: claim p50 %v p99 %v max %v; score p50 %v p99 %v; %d reviews in %v", *loadRaters, *loadTasks, pick(claims, .5), pick(claims, .99), claims[len(claims)-1],
		pick(scores, .5), pick(scores, .99), len(done), time.Since(began).Round(time.Millisecond))
	if p := pick(claims, .99); *loadP99 > 0 && p > *loadP99 {
		t.Errorf("claim p99 %v, want at most %v", p, *loadP99)
	}
	events := 0
	for id := range done {
		events++
		s, err := a.Desk().Task(auditor, id)
		if err != nil || s.Status != "published" || s.Review.GetRater().GetUserId() != done[id] {
			t.Fatalf("%s: %v, done by %s", id, s, done[id])
		}
	}
}

// auditor sees every task.
var auditor = &event.QAActor{UserId: "auditor", Roles: []string{"compliance"}}

func errorsFirst(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
