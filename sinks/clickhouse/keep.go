package clickhouse

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// kept are the tables whose rows may be deleted by age, and what their age is counted from. A call that was recorded is
// what says how long its recording must be kept (RET-02 to RET-05: whether a product is in use or a complaint open no
// TTL can know), so its row stays until the recording is gone.
var kept = map[string]string{
	"calls":            "started_at DELETE WHERE recording_uri = ''",
	"agent_intervals":  "start_at",
	"permits":          "at",
	"permit_status":    "at",
	"campaign_signals": "at",
	"alerts":           "at",
	"surveys":          "at",
	"schedules":        "start_at",
	"dead_letter":      "at",
}

// Kept names the tables whose rows can be deleted by age.
func Kept() []string {
	var out []string
	for t := range kept {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

var ttl = regexp.MustCompile(` TTL (.*?)(?: SETTINGS |$)`)

// keep sets for how many months rows are kept (0 or none = for ever), by TTL. A table that has it already is left alone:
// changing a TTL rewrites the table.
func keep(ctx context.Context, conn driver.Conn, months map[string]int, run spread) error {
	for t := range months {
		if kept[t] == "" {
			return fmt.Errorf("rows of table %s cannot be deleted by age: it can be one of %s", t, strings.Join(Kept(), ", "))
		}
	}
	for _, t := range Kept() {
		var engine string
		if err := conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?", t).Scan(&engine); err != nil {
			return fmt.Errorf("read how long rows of %s are kept: %w", t, err)
		}
		is := ""
		if m := ttl.FindStringSubmatch(engine); m != nil {
			is = m[1]
		}
		column, where, _ := strings.Cut(kept[t], " ")
		want := fmt.Sprintf("toDateTime(%s) + toIntervalMonth(%d)", column, months[t])
		if where != "" {
			want += " " + where
		}
		var err error
		switch {
		case months[t] > 0 && is != want:
			err = run(ctx, "ALTER TABLE "+t+" MODIFY TTL "+want)
		case months[t] == 0 && is != "":
			err = run(ctx, "ALTER TABLE "+t+" REMOVE TTL")
		}
		if err != nil {
			return fmt.Errorf("set how long rows of %s are kept: %w", t, err)
		}
	}
	return nil
}
