package app

import (
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/complaint"
)

// A replay's range is told in the reporting zone, whatever the offset it was asked with.
func TestReplayIsToldInTheReportingZone(t *testing.T) {
	o := complaint.Options{Zone: time.FixedZone("", 8*3600)}
	from := time.Date(2026, 11, 1, 16, 0, 0, 0, time.UTC)
	r, err := replayAlerts(t.Context(), o, nil, from, from.AddDate(0, 0, 1), func(float64) {})
	if err != nil || r.From != "2026-11-02T00:00:00+08:00" || r.To != "2026-11-03T00:00:00+08:00" {
		t.Errorf("%+v %v", r, err)
	}
}
