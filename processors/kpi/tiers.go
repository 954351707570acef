package kpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// made is a bucket of a roll-up as it was made last.
type made struct{ at, version uint64 }

// slotState is a slot that holds facts.
type slotState struct {
	slot    int64
	touched uint64
	minutes made // its roll-up by minute
}

// tiers say which moments of a range are read from where. It is the same choice that the statement of a panel makes for
// itself, made beforehand: what is empty is not asked for.
type tiers struct {
	days  []string // (date number, version) of calls_1d
	slots []string // (slot, version) of calls_1m, of days not in days
	// facts are the slots read from the facts where minutes may serve, bare where they may not, all without any roll-up
	// by day.
	facts, bare        []span
	hourSlots          []string // as slots, where days may not serve
	hourFacts, hourAll []span
}

// span of slots, both ends in it.
type span struct{ from, to int64 }

const slotMS = 900_000

// choose works out the tiers of [from, to): a day or a slot serves if it lies in the range whole and nothing was touched
// since it was made.
func choose(slots []slotState, days map[int64]made, from, to time.Time, zone *time.Location) *tiers {
	date := func(t time.Time) int64 {
		y, m, d := t.In(zone).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
	}
	touched := map[int64]uint64{}
	for _, s := range slots {
		touched[date(time.UnixMilli(s.slot*slotMS))] += s.touched
	}
	before, after := date(from.Add(-time.Millisecond)), date(to)
	t := &tiers{}
	whole := map[int64]bool{}
	for day, n := range touched {
		if m := days[day]; day > before && day < after && m.at == n && m.version > 0 {
			whole[day] = true
			t.days = append(t.days, fmt.Sprintf("(toDate(%d), %d)", day, m.version))
		}
	}
	slices.Sort(t.days)
	slices.SortFunc(slots, func(a, b slotState) int { return int(a.slot - b.slot) })
	add := func(into *[]span, slot int64) {
		if n := len(*into); n > 0 && (*into)[n-1].to == slot-1 {
			(*into)[n-1].to = slot
			return
		}
		*into = append(*into, span{slot, slot})
	}
	for _, s := range slots {
		current := s.slot*slotMS >= from.UnixMilli() && (s.slot+1)*slotMS <= to.UnixMilli() && s.minutes.at == s.touched && s.minutes.version > 0
		key := fmt.Sprintf("(%d, %d)", s.slot, s.minutes.version)
		add(&t.hourAll, s.slot)
		if current {
			t.hourSlots = append(t.hourSlots, key)
		} else {
			add(&t.hourFacts, s.slot)
		}
		if whole[date(time.UnixMilli(s.slot*slotMS))] {
			continue
		}
		add(&t.bare, s.slot)
		if current {
			t.slots = append(t.slots, key)
		} else {
			add(&t.facts, s.slot)
		}
	}
	return t
}

// condition on slots.
func condition(spans []span) string {
	var out []string
	for _, x := range spans {
		out = append(out, fmt.Sprintf("slot BETWEEN %d AND %d", x.from, x.to))
	}
	return "(" + strings.Join(out, " OR ") + ")"
}

// tiersOf asks how the roll-ups stand for a range.
func tiersOf(ctx context.Context, conn driver.Conn, from, to time.Time, zone *time.Location) (*tiers, error) {
	first, last := from.UnixMilli()/slotMS, (to.UnixMilli()-1)/slotMS
	rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT toInt64(slot) AS bucket, sum(n) AS touched, toUInt64(0) AS made_at, toUInt64(0) AS version, 0 AS what FROM touched WHERE facts = 'calls' AND slot BETWEEN %d AND %d GROUP BY slot
UNION ALL SELECT bucket, 0, max((made_at, version)).1, max((made_at, version)).2, 1 FROM rolled WHERE rollup = 'calls_1m' AND zone = '' AND bucket BETWEEN %d AND %d GROUP BY bucket
UNION ALL SELECT bucket, 0, max((made_at, version)).1, max((made_at, version)).2, 2 FROM rolled WHERE rollup = 'calls_1d' AND zone = %s AND bucket BETWEEN %d AND %d GROUP BY bucket`,
		first, last, first, last, quote(zone.String()), first/96-1, last/96+1))
	if err != nil {
		return nil, fmt.Errorf("ask how current the roll-ups are: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var slots []slotState
	minutes, days := map[int64]made{}, map[int64]made{}
	for rows.Next() {
		var bucket int64
		var touched uint64
		var m made
		var what uint8
		if err := rows.Scan(&bucket, &touched, &m.at, &m.version, &what); err != nil {
			return nil, fmt.Errorf("read how current the roll-ups are: %w", err)
		}
		switch what {
		case 0:
			slots = append(slots, slotState{slot: bucket, touched: touched})
		case 1:
			minutes[bucket] = m
		default:
			days[bucket] = m
		}
	}
	for i := range slots {
		slots[i].minutes = minutes[slots[i].slot]
	}
	return choose(slots, days, from, to, zone), rows.Err()
}
