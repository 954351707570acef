package qarules

import (
	"slices"
	"testing"
	"time"

	"github.com/ringfence/ringfence/event"
)

func TestTop(t *testing.T) {
	totals := map[string]float64{"a": 90, "b": 95, "c": 90, "d": 80, "e": 90}
	for n, want := range map[int][]string{0: {}, 1: {"b"}, 2: {"a", "b", "c", "e"}, 4: {"a", "b", "c", "e"}, 9: {"a", "b", "c", "d", "e"}} {
		if got := Top(totals, n); !slices.Equal(got, want) {
			t.Errorf("the top %d are %v, want %v", n, got, want)
		}
	}
}

// Published on 27 March at 10:00, where clocks go forward on the 29th: until 10:00 on the 30th all the same.
func TestAppealUntil(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	published := time.Date(2026, 3, 27, 10, 0, 0, 0, berlin)
	until := AppealUntil(published.UnixMilli(), berlin)
	if want := time.Date(2026, 3, 30, 10, 0, 0, 0, berlin); until != want.UnixMilli() {
		t.Errorf("until %v, want %v", time.UnixMilli(until).In(berlin), want)
	}
	s := &event.QATaskState{Task: &event.QATask{AgentId: "a1"}, Status: Published, AppealUntil: until}
	who := &event.QAActor{UserId: "u", AgentId: "a1"}
	if r := MayAppeal(who, s, until); r != nil {
		t.Errorf("at the last moment: %v", r)
	}
	if r := MayAppeal(who, s, until+1); r == nil || r.Code != Late {
		t.Errorf("a millisecond later: %v", r)
	}
}

func TestSees(t *testing.T) {
	task := &event.QATaskState{Task: &event.QATask{AgentId: "a1", TeamId: "red", PartnerId: "p1"}, Review: &event.QAReview{}}
	published := &event.QATaskState{Task: task.Task, Review: &event.QAReview{PublishedAt: 1}}
	blind := &event.QATaskState{Task: &event.QATask{AgentId: "a1", TeamId: "red", ForRole: Calibration}, AssignedTo: "ann"}
	for name, x := range map[string]struct {
		who  *event.QAActor
		s    *event.QATaskState
		want bool
	}{
		"an inspector":                {&event.QAActor{UserId: "ann", Roles: []string{"qa"}}, task, true},
		"his leader":                  {&event.QAActor{UserId: "x", TeamId: "red", Roles: []string{"supervisor"}}, task, true},
		"another's leader":            {&event.QAActor{UserId: "x", TeamId: "blue", Roles: []string{"supervisor"}}, task, false},
		"the agent, unpublished":      {&event.QAActor{UserId: "u", AgentId: "a1"}, task, false},
		"the agent, published":        {&event.QAActor{UserId: "u", AgentId: "a1"}, published, true},
		"another agent":               {&event.QAActor{UserId: "u", AgentId: "a2"}, published, false},
		"another partner's inspector": {&event.QAActor{UserId: "x", PartnerId: "p2", Roles: []string{"qa", "supervisor", "admin"}}, published, false},
		"a rater's own calibration":   {&event.QAActor{UserId: "ann", Roles: []string{"qa"}}, blind, true},
		"another's calibration":       {&event.QAActor{UserId: "bob", Roles: []string{"qa"}}, blind, false},
	} {
		if got := Sees(x.who, x.s); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
