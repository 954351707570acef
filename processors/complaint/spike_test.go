package complaint

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Known values: P(X>=1|1) = 1-1/e; P(X>=10|3) = 0.0011024881 (tables).
func TestPoissonTail(t *testing.T) {
	for _, c := range []struct {
		k    int64
		mean float64
		want float64
	}{{0, 3, 1}, {1, 1, 1 - 1/math.E}, {10, 3, 0.0011024881301847}, {2, 5, 0.95957231800548726}, {5, 0, 0}} {
		if got := PoissonTail(c.k, c.mean); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("P(X>=%d | %g) = %.16f, want %.16f", c.k, c.mean, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		k, mean := rapid.Int64Range(0, 200).Draw(t, "k"), rapid.Float64Range(0.01, 150).Draw(t, "mean")
		a, b := PoissonTail(k, mean), PoissonTail(k+1, mean)
		if a < 0 || a > 1 || b > a+1e-9 {
			t.Fatalf("P(>=%d)=%g P(>=%d)=%g", k, a, k+1, b)
		}
	})
}

func TestHysteresis(t *testing.T) {
	test := DefaultTest()
	if e := test.Decide(3, 100, 40, 10000, false); e.Firing {
		t.Errorf("fires below the least count: %+v", e)
	}
	if e := test.Decide(20, 1000, 40, 10000, false); !e.Firing {
		t.Errorf("a spike is not seen: %+v", e)
	}
	if e := test.Decide(12, 1000, 40, 10000, false); e.Firing {
		t.Errorf("fires too early: %+v", e)
	}
	if e := test.Decide(12, 1000, 40, 10000, true); !e.Firing {
		t.Errorf("ends too early: %+v", e)
	}
	if e := test.Decide(5, 1000, 40, 10000, true); e.Firing {
		t.Errorf("does not end: %+v", e)
	}
}
