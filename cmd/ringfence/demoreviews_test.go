package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/app"
	"github.com/ringfence/ringfence/internal/app/apptest"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
)

// The demo's inspectors publish reviews all over the queue, and leave most of it to whoever comes.
func TestDemoReviews(t *testing.T) {
	dir := t.TempDir()
	brokers := apptest.Broker(t, dir)
	a := apptest.Run(t, app.Options{}, append(apptest.On(brokers), "data_dir="+dir, "kafka.partitions=2", "roles=[api, qa]")...)
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	const n = 3 * demoReviews
	for i := range n {
		task := &event.QATask{TaskId: fmt.Sprintf("daily-%03d", i), CallId: fmt.Sprint("c", i), AgentId: fmt.Sprint("agent-", i%30), Draw: "daily", Day: "2026-03-06", DrawnAt: int64(i), Sale: i%5 == 0}
		v, err := task.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: event.TopicQATasks, Key: []byte(task.AgentId), Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	admin := &event.QAActor{UserId: "admin", Roles: []string{"admin"}}
	eventually(t, "the desk has the tasks", time.Minute, func() bool { return a.Desk().Queue(admin, qadesk.Filter{}).Count[qarules.Open] == n })
	began := time.Now()
	if err := reviewSome(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d reviews in %v", demoReviews, time.Since(began).Round(time.Millisecond))
	res := a.Desk().Results(admin, qadesk.Filter{Limit: 1000})
	by, agents := map[string]int{}, map[string]bool{}
	for _, s := range res.Tasks {
		by[s.Review.Rater.UserId]++
		agents[s.Task.AgentId] = true
		if s.Review.PublishedAt == 0 || s.Review.Score < 0 || s.Review.Sale != s.Task.Sale {
			t.Errorf("%+v", s.Review)
		}
	}
	if len(res.Tasks) != demoReviews || by["li.wei"] != demoReviews/2 || by["zhang.min"] != demoReviews/2 || len(agents) < 8 {
		t.Errorf("%d reviews by %v of %d agents", len(res.Tasks), by, len(agents))
	}
}
