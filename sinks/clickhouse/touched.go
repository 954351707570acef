package clickhouse

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
)

// slotSeconds is the length of the slots of time in which facts are kept and roll-ups are made: in every
// time zone hours and days begin at a whole quarter of an hour of UTC.
const slotSeconds = 900

func slot(ms int64) uint32 { return uint32(ms / 1000 / slotSeconds) }

// touch is a kind of facts and a slot that rows of it went into.
type touch struct {
	facts string
	slot  uint32
}

// touch counts up the slots that rows went into. The tables' views do so, too; but whoever makes a roll-up must not see the
// count before the rows, and a view promises no order.
func (s *Sink) touch(ctx context.Context, cs []*converter) error {
	slots := map[touch]bool{}
	for _, c := range cs {
		maps.Copy(slots, c.slots)
	}
	if len(slots) == 0 {
		return nil
	}
	b := newBlock("touched", s.hide)
	for _, x := range slices.SortedFunc(maps.Keys(slots), func(a, b touch) int {
		return cmp.Or(strings.Compare(a.facts, b.facts), cmp.Compare(a.slot, b.slot))
	}) {
		b.word(x.facts).u32(x.slot).u64(1).end()
	}
	return s.patiently(ctx, "touch", func() error {
		return wrap(s.inserter.insert(ctx, b.table, []*block{b}), "count what was touched")
	})
}
