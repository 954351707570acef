package demo

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/rubric"
)

// Every sheet is a finished one, the same for the same call; most pass, and some do not.
func TestSheets(t *testing.T) {
	r, err := rubric.Load(rubric.Default)
	if err != nil {
		t.Fatal(err)
	}
	passed, fatal, sum := 0, 0, 0.0
	const n = 400
	for i := range n {
		task := &event.QATask{CallId: fmt.Sprint("c", i), AgentId: fmt.Sprint("a", i%40), Sale: i%4 == 0}
		sheet := Sheet(r, task)
		if diff := cmp.Diff(sheet, Sheet(r, task), protocmp.Transform()); diff != "" {
			t.Fatalf("another sheet of the same call:\n%s", diff)
		}
		review, problems := rubric.Score(r, sheet)
		if len(problems) > 0 {
			t.Fatalf("a sheet that cannot be published: %v", problems)
		}
		sum += review.Score
		if review.Passed {
			passed++
		}
		if review.Fatal {
			fatal++
		}
	}
	if mean := sum / n; mean < 85 || mean > 97 || passed < n*8/10 || passed == n || fatal == 0 {
		t.Errorf("mean %.1f, %d of %d passed, %d fatal: no centre is like that", mean, passed, n, fatal)
	}
}
