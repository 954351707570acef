package contactcap

import (
	"testing"
	"time"
)

func TestDatesAreThoseOfTheCalendar(t *testing.T) {
	for day := int64(-800_000); day < 800_000; day += 7 {
		want := time.Unix(day*86400, 0).UTC()
		y, m, d := dateOf(day)
		if y != int64(want.Year()) || m != int(want.Month()) || d != want.Day() {
			t.Fatalf("day %d is %d-%d-%d, want %v", day, y, m, d, want)
		}
		if back := dayOf(y, m, d); back != day {
			t.Fatalf("%d-%d-%d is day %d, want %d", y, m, d, back, day)
		}
		if last := time.Date(want.Year(), want.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day(); lastDay(y, m) != last {
			t.Fatalf("%d-%d ends on %d, want %d", y, m, lastDay(y, m), last)
		}
	}
}
