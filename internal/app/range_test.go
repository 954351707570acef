package app

import (
	"net/url"
	"testing"
	"time"
)

// A range is given by times with an offset or by dates, which are midnights of the reporting zone.
func TestTimeRange(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	midnight := time.Date(2026, 11, 1, 0, 0, 0, 0, zone)
	from, to, err := timeRange(url.Values{"from": {"2026-11-01"}, "to": {"2026-11-02T00:00:00+08:00"}}, zone)
	if err != nil || !from.Equal(midnight) || !to.Equal(midnight.AddDate(0, 0, 1)) {
		t.Errorf("%v to %v, %v", from, to, err)
	}
	if from, to, err = timeRange(nil, zone); err != nil || from.UnixMilli() != 0 || to.Year() != 9999 {
		t.Errorf("no range: %v to %v, %v", from, to, err)
	}
	for _, name := range []string{"from", "to"} {
		if _, _, err := timeRange(url.Values{name: {"yesterday"}}, zone); err == nil || err.Error() == "" {
			t.Errorf("%s=yesterday is no time, and no error says so", name)
		}
	}
}
