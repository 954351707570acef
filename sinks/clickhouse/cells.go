package clickhouse

import (
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

const (
	momentType = proto.ColumnType("DateTime64(3,'UTC')")
	wordType   = proto.ColumnType("LowCardinality(String)")
)

// textCells is a String.
type textCells struct{ proto.ColStr }

func (c *textCells) value(row int) any { return c.Row(row) }

// wordCells is a LowCardinality(String): what repeats is sent once, and looked through for telephone numbers once.
type wordCells struct {
	ids  map[string]uint32
	dict proto.ColStr
	keys proto.ColUInt32
	last string // most rows say what the row before said
}

func (c *wordCells) append(v string, hide func(string) string) {
	if n := len(c.keys); n > 0 && v == c.last {
		c.keys = append(c.keys, c.keys[n-1])
		return
	}
	if c.ids == nil {
		c.ids = map[string]uint32{}
	}
	id, known := c.ids[v]
	if !known {
		v = strings.Clone(v) // it may lie in a record that is given back
		shown := hide(v)
		if id, known = c.ids[shown]; !known {
			id = uint32(c.dict.Rows())
			c.dict.Append(shown)
		}
		c.ids[v], c.ids[shown] = id, id
	}
	c.keys, c.last = append(c.keys, id), v
}

func (c *wordCells) value(row int) any      { return c.dict.Row(int(c.keys[row])) }
func (c *wordCells) Type() proto.ColumnType { return wordType }
func (c *wordCells) Rows() int              { return len(c.keys) }

func (c *wordCells) Reset() {
	clear(c.ids)
	c.dict.Reset()
	c.keys, c.last = c.keys[:0], ""
}

// EncodeState announces the serialization's version.
func (c *wordCells) EncodeState(b *proto.Buffer) { b.PutInt64(1) }

// LowCardinality's flags on the wire: the dictionary's new keys come with the block.
const (
	hasAdditionalKeys = 1 << 9
	updateDictionary  = 1 << 10
)

// EncodeColumn writes the dictionary, then for each row its place in it, in as few bytes as will do.
func (c *wordCells) EncodeColumn(b *proto.Buffer) {
	if len(c.keys) == 0 {
		return
	}
	width := int64(2)
	switch n := c.dict.Rows(); {
	case n <= 1<<8:
		width = 0
	case n <= 1<<16:
		width = 1
	}
	b.PutInt64(hasAdditionalKeys | updateDictionary | width)
	b.PutInt64(int64(c.dict.Rows()))
	c.dict.EncodeColumn(b)
	b.PutInt64(int64(len(c.keys)))
	switch width {
	case 0:
		for _, k := range c.keys {
			b.Buf = append(b.Buf, byte(k))
		}
	case 1:
		for _, k := range c.keys {
			b.Buf = append(b.Buf, byte(k), byte(k>>8))
		}
	default:
		c.keys.EncodeColumn(b)
	}
}

// WriteColumn is EncodeColumn for a writer.
func (c *wordCells) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// offsets are where the lists of an array column end.
type offsets struct{ ends proto.ColUInt64 }

func (o *offsets) Rows() int { return len(o.ends) }

func (o *offsets) span(row int) (from, to int) {
	if row > 0 {
		from = int(o.ends[row-1])
	}
	return from, int(o.ends[row])
}

// textsCells is an Array(String).
type textsCells struct {
	offsets
	items proto.ColStr
}

func (c *textsCells) append(v []string) {
	c.items.AppendArr(v)
	c.ends = append(c.ends, uint64(c.items.Rows()))
}

func (c *textsCells) value(row int) any {
	out := []string{}
	for from, to := c.span(row); from < to; from++ {
		out = append(out, c.items.Row(from))
	}
	return out
}

func (c *textsCells) Type() proto.ColumnType { return "Array(String)" }

func (c *textsCells) Reset() { c.ends = c.ends[:0]; c.items.Reset() }

// EncodeColumn writes the lists' ends and then their items.
func (c *textsCells) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	c.items.EncodeColumn(b)
}

// WriteColumn is EncodeColumn for a writer.
func (c *textsCells) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// wordsCells is an Array(LowCardinality(String)).
type wordsCells struct {
	offsets
	items wordCells
}

func (c *wordsCells) append(v []string, hide func(string) string) {
	for _, x := range v {
		c.items.append(x, hide)
	}
	c.ends = append(c.ends, uint64(c.items.Rows()))
}

func (c *wordsCells) value(row int) any {
	out := []string{}
	for from, to := c.span(row); from < to; from++ {
		out = append(out, c.items.value(from).(string))
	}
	return out
}

func (c *wordsCells) Type() proto.ColumnType { return "Array(LowCardinality(String))" }

func (c *wordsCells) Reset() { c.ends = c.ends[:0]; c.items.Reset() }

// EncodeState announces the serialization's version.
func (c *wordsCells) EncodeState(b *proto.Buffer) { c.items.EncodeState(b) }

// EncodeColumn writes the lists' ends and then their items.
func (c *wordsCells) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	c.items.EncodeColumn(b)
}

// WriteColumn is EncodeColumn for a writer.
func (c *wordsCells) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

type (
	bitCells struct{ proto.ColBool }
	u8Cells  struct{ proto.ColUInt8 }
	u16Cells struct{ proto.ColUInt16 }
	u32Cells struct{ proto.ColUInt32 }
	u64Cells struct{ proto.ColUInt64 }
	i64Cells struct{ proto.ColInt64 }
	f64Cells struct{ proto.ColFloat64 }
	// atCells is a moment in milliseconds.
	atCells struct{ proto.ColInt64 }
)

func (c *bitCells) append(v bool)   { c.ColBool = append(c.ColBool, v) }
func (c *u8Cells) append(v uint8)   { c.ColUInt8 = append(c.ColUInt8, v) }
func (c *u16Cells) append(v uint16) { c.ColUInt16 = append(c.ColUInt16, v) }
func (c *u32Cells) append(v uint32) { c.ColUInt32 = append(c.ColUInt32, v) }
func (c *u64Cells) append(v uint64) { c.ColUInt64 = append(c.ColUInt64, v) }
func (c *i64Cells) append(v int64)  { c.ColInt64 = append(c.ColInt64, v) }
func (c *f64Cells) append(v float64) {
	c.ColFloat64 = append(c.ColFloat64, v)
}
func (c *atCells) append(ms int64) { c.ColInt64 = append(c.ColInt64, ms) }

func (c *bitCells) value(row int) any { return c.ColBool[row] }
func (c *u8Cells) value(row int) any  { return c.ColUInt8[row] }
func (c *u16Cells) value(row int) any { return c.ColUInt16[row] }
func (c *u32Cells) value(row int) any { return c.ColUInt32[row] }
func (c *u64Cells) value(row int) any { return c.ColUInt64[row] }
func (c *i64Cells) value(row int) any { return c.ColInt64[row] }
func (c *f64Cells) value(row int) any { return c.ColFloat64[row] }
func (c *atCells) value(row int) any {
	return time.UnixMilli(c.ColInt64[row]).UTC().Format("2006-01-02T15:04:05.000Z")
}

// Type is a moment's.
func (c *atCells) Type() proto.ColumnType { return momentType }

// nulls mark the rows of a Nullable column that have no value.
type nulls struct{ marks proto.ColUInt8 }

func (n *nulls) mark(absent bool) {
	m := uint8(0)
	if absent {
		m = 1
	}
	n.marks = append(n.marks, m)
}

// maybeI64Cells is a Nullable(Int64).
type maybeI64Cells struct {
	nulls
	i64Cells
}

func (c *maybeI64Cells) append(v *int64) {
	c.mark(v == nil)
	if v == nil {
		c.i64Cells.append(0)
		return
	}
	c.i64Cells.append(*v)
}

func (c *maybeI64Cells) value(row int) any {
	if c.marks[row] != 0 {
		return nil
	}
	return c.i64Cells.value(row)
}

// Type is Nullable(Int64).
func (c *maybeI64Cells) Type() proto.ColumnType { return "Nullable(Int64)" }

// Reset empties it.
func (c *maybeI64Cells) Reset() { c.marks.Reset(); c.i64Cells.Reset() }

// EncodeColumn writes the marks and then the values.
func (c *maybeI64Cells) EncodeColumn(b *proto.Buffer) {
	c.marks.EncodeColumn(b)
	c.i64Cells.EncodeColumn(b)
}

// WriteColumn is EncodeColumn for a writer.
func (c *maybeI64Cells) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// maybeAtCells is a Nullable moment.
type maybeAtCells struct {
	nulls
	atCells
}

func (c *maybeAtCells) append(ms int64) {
	c.mark(ms == 0)
	c.atCells.append(ms)
}

func (c *maybeAtCells) value(row int) any {
	if c.marks[row] != 0 {
		return nil
	}
	return c.atCells.value(row)
}

// Type is a Nullable moment's.
func (c *maybeAtCells) Type() proto.ColumnType { return "Nullable(DateTime64(3,'UTC'))" }

// Reset empties it.
func (c *maybeAtCells) Reset() { c.marks.Reset(); c.atCells.Reset() }

// EncodeColumn writes the marks and then the values.
func (c *maybeAtCells) EncodeColumn(b *proto.Buffer) {
	c.marks.EncodeColumn(b)
	c.atCells.EncodeColumn(b)
}

// WriteColumn is EncodeColumn for a writer.
func (c *maybeAtCells) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// maybeBitCells is a Nullable(Bool).
type maybeBitCells struct {
	nulls
	bitCells
}

func (c *maybeBitCells) append(v *bool) {
	c.mark(v == nil)
	c.bitCells.append(v != nil && *v)
}

func (c *maybeBitCells) value(row int) any {
	if c.marks[row] != 0 {
		return nil
	}
	return c.bitCells.value(row)
}

// Type is Nullable(Bool).
func (c *maybeBitCells) Type() proto.ColumnType { return "Nullable(Bool)" }

// Reset empties it.
func (c *maybeBitCells) Reset() { c.marks.Reset(); c.bitCells.Reset() }

// EncodeColumn writes the marks and then the values.
func (c *maybeBitCells) EncodeColumn(b *proto.Buffer) {
	c.marks.EncodeColumn(b)
	c.bitCells.EncodeColumn(b)
}

// WriteColumn is EncodeColumn for a writer.
func (c *maybeBitCells) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
