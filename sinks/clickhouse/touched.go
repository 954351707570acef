package clickhouse

import (
	"context"
	"maps"
	"slices"
)

// slotSeconds is the length of the slots of time in which the facts of calls are kept and roll-ups are made: in every
// time zone hours and days begin at a whole quarter of an hour of UTC.
const slotSeconds = 900

func slot(ms int64) uint32 { return uint32(ms / 1000 / slotSeconds) }

// touch counts up the slots that calls went into. The table's view does so, too; but whoever makes a roll-up must not see
// the count before the rows, and a view promises no order.
func (s *Sink) touch(ctx context.Context, cs []*converter) error {
	slots := map[uint32]bool{}
	for _, c := range cs {
		maps.Copy(slots, c.slots)
	}
	if len(slots) == 0 {
		return nil
	}
	b := newBlock("touched", s.hide)
	for _, x := range slices.Sorted(maps.Keys(slots)) {
		b.word("calls").u32(x).u64(1).end()
	}
	return s.patiently(ctx, "touch", func() error {
		return wrap(s.inserter.insert(ctx, b.table, []*block{b}), "count what was touched")
	})
}
