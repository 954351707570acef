package clickhouse

import (
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kgo"
)

// block is rows of one table, laid out by column as they go over the wire. A row is appended value by value in the order
// of the table's columns; the first row says which kind each column is. Nothing is allocated a row once the columns have
// grown. The kinds are ours: ClickHouse casts where a table's column has another type.
type block struct {
	table   string
	hide    func(id string) string // what an id says without the telephone numbers in it
	columns []cells
	next    int // the column that comes next
	rows    int
	recs    []*kgo.Record // what the rows were made of
}

// cells is one column.
type cells interface {
	proto.ColInput
	Reset()
	value(row int) any
}

func newBlock(table string, hide func(string) string) *block {
	return &block{table: table, hide: hide}
}

// reset empties the block and keeps its memory.
func (b *block) reset() {
	for _, c := range b.columns {
		c.Reset()
	}
	b.rows, b.next = 0, 0
	clear(b.recs)
	b.recs = b.recs[:0]
}

// end closes a row.
func (b *block) end() {
	if b.next != len(b.columns) || b.next != len(names(b.table)) {
		panic(fmt.Sprintf("a row of %s has %d values, its table %d columns", b.table, b.next, len(names(b.table))))
	}
	b.rows++
	b.next = 0
}

// values are a row's, for people.
func (b *block) values(row int) []any {
	out := make([]any, len(b.columns))
	for i, c := range b.columns {
		out[i] = c.value(row)
	}
	return out
}

// input is the block for the wire.
func (b *block) input() proto.Input {
	in := make(proto.Input, len(b.columns))
	for i, name := range names(b.table) {
		in[i] = proto.InputColumn{Name: name, Data: b.columns[i]}
	}
	return in
}

// place is the column that comes next, made by the first row.
func place[C any, P interface {
	*C
	cells
}](b *block) P {
	if b.next == len(b.columns) {
		b.columns = append(b.columns, P(new(C)))
	}
	c, ok := b.columns[b.next].(P)
	if !ok {
		panic(fmt.Sprintf("column %d of %s is a %T and gets a value for a %T", b.next, b.table, b.columns[b.next], c))
	}
	b.next++
	return c
}

func (b *block) text(v string) *block    { place[textCells](b).Append(v); return b }
func (b *block) texts(v []string) *block { place[textsCells](b).append(v); return b }
func (b *block) word(v string) *block    { place[wordCells](b).append(v, b.hide); return b }
func (b *block) words(v []string) *block { place[wordsCells](b).append(v, b.hide); return b }
func (b *block) id(v string) *block      { place[textCells](b).Append(b.hide(v)); return b }

// ids are hidden in a list of their own: the fact's is not ours to change.
func (b *block) ids(v []string) *block {
	hidden := make([]string, len(v))
	for i, x := range v {
		hidden[i] = b.hide(x)
	}
	return b.texts(hidden)
}

func (b *block) bit(v bool) *block       { place[bitCells](b).append(v); return b }
func (b *block) maybeBit(v *bool) *block { place[maybeBitCells](b).append(v); return b }
func (b *block) u8(v uint8) *block       { place[u8Cells](b).append(v); return b }
func (b *block) u16(v uint16) *block     { place[u16Cells](b).append(v); return b }
func (b *block) u32(v uint32) *block     { place[u32Cells](b).append(v); return b }
func (b *block) u64(v uint64) *block     { place[u64Cells](b).append(v); return b }
func (b *block) i64(v int64) *block      { place[i64Cells](b).append(v); return b }
func (b *block) f64(v float64) *block    { place[f64Cells](b).append(v); return b }

// maybeI64 is NULL where there is no value.
func (b *block) maybeI64(v *int64) *block { place[maybeI64Cells](b).append(v); return b }

// at is a moment in Unix milliseconds; maybeAt is NULL at 0.
func (b *block) at(ms int64) *block      { place[atCells](b).append(ms); return b }
func (b *block) maybeAt(ms int64) *block { place[maybeAtCells](b).append(ms); return b }

// names of a table's columns.
func names(table string) []string { return columnNames[table] }

var columnNames = func() map[string][]string {
	out := map[string][]string{"subscriptions": {"customer_id", "product", "at", "active", "event_id", "arrival"}}
	for t, list := range tables {
		for _, n := range strings.Split(list, ",") {
			out[t] = append(out[t], strings.TrimSpace(n))
		}
	}
	return out
}()
