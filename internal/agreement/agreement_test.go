package agreement

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b float64) bool { return math.Abs(a-b) < 5e-4 }

// Two readers of 50 proposals: both yes 20, yes/no 5, no/yes 10, both no 15. Observed 0.7, by chance 0.5: kappa 0.4.
func TestKappa(t *testing.T) {
	var a, b []string
	for _, x := range []struct {
		a, b string
		n    int
	}{{"yes", "yes", 20}, {"yes", "no", 5}, {"no", "yes", 10}, {"no", "no", 15}} {
		for range x.n {
			a, b = append(a, x.a), append(b, x.b)
		}
	}
	if k, ok := Kappa(a, b); !ok || !near(k, 0.4) {
		t.Errorf("kappa %v %v, want 0.4", k, ok)
	}
	if _, ok := Kappa([]string{"yes"}, []string{"yes"}); ok {
		t.Error("one answer that is always given says nothing")
	}
	if _, ok := Kappa(nil, nil); ok {
		t.Error("nothing says nothing")
	}
}

// Krippendorff's own example: three coders, fifteen units, gaps. Nominal 0.691, interval 0.811.
func TestAlpha(t *testing.T) {
	units := [][]float64{{1}, {}, {2, 2}, {1, 1}, {3, 3}, {3, 3, 4}, {4, 4, 4}, {1, 3}, {2, 2}, {1, 1}, {1, 1}, {3, 3}, {3, 3}, {}, {3, 4}}
	if a, ok := Alpha(units, Nominal); !ok || !near(a, 0.691) {
		t.Errorf("nominal %v, want 0.691", a)
	}
	if a, ok := Alpha(units, Interval); !ok || !near(a, 0.811) {
		t.Errorf("interval %v, want 0.811", a)
	}
	if _, ok := Alpha([][]float64{{1}, {2}}, Nominal); ok {
		t.Error("without a pair nothing can be said")
	}
}

// Two raters of many nominal answers: alpha lies close to kappa's kind (Scott's pi), is 1 when they agree, and does not
// depend on the order of raters.
func TestAlphaProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var units, turned [][]float64
		same := true
		for range rapid.IntRange(2, 40).Draw(t, "units") {
			a, b := float64(rapid.IntRange(0, 2).Draw(t, "a")), float64(rapid.IntRange(0, 2).Draw(t, "b"))
			same = same && a == b
			units, turned = append(units, []float64{a, b}), append(turned, []float64{b, a})
		}
		x, ok := Alpha(units, Nominal)
		y, ok2 := Alpha(turned, Nominal)
		if ok != ok2 || math.Abs(x-y) > 1e-9 || x > 1 || ok && same && x != 1 {
			t.Fatalf("alpha %v %v", x, y)
		}
	})
}

func TestDrift(t *testing.T) {
	d := Drifts([]map[string]float64{{"ann": 90, "bob": 80, "cat": 70}, {"ann": 100, "bob": 90}, {"ann": 50}})
	if len(d) != 3 || d[0].Rater != "ann" || d[0].Units != 2 || !near(d[0].Points, 12.5) || !near(d[1].Points, -5) || !near(d[0].Error, 2.5) || d[2].Units != 1 || !math.IsNaN(d[2].Error) {
		t.Errorf("%+v", d)
	}
}
