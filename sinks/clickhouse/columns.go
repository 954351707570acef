package clickhouse

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
)

// Columns are rows of the calls table by column, as clickhouse-go takes them: what `make bench` measures the sink beside.
type Columns struct {
	columns []reflect.Value
	rows    int
}

// CallColumns lays out facts.
func CallColumns(facts []*event.CallFact) (*Columns, error) {
	s := &Sink{opt: SinkOptions{Region: "CN", CustomerHash: func(id string) string { return id }}}
	out, c := &Columns{rows: len(facts)}, s.newConverter()
	for _, f := range facts {
		v, err := f.MarshalVT()
		if err != nil {
			return nil, err
		}
		c.reset()
		if err := c.rows(&kgo.Record{Topic: event.TopicCallFacts, Value: v}); err != nil {
			return nil, err
		}
		b := c.blocks["calls"]
		for i, col := range b.columns {
			v := plain(col)
			if len(out.columns) == i {
				out.columns = append(out.columns, reflect.MakeSlice(reflect.SliceOf(v.Type()), 0, len(facts)))
			}
			out.columns[i] = reflect.Append(out.columns[i], v)
		}
	}
	return out, nil
}

// plain is a column's first value as clickhouse-go takes it.
func plain(c cells) reflect.Value {
	switch x := c.(type) {
	case *atCells:
		return reflect.ValueOf(time.UnixMilli(x.ColInt64[0]).UTC())
	case *maybeAtCells:
		return absent(x.marks[0] != 0, time.UnixMilli(x.ColInt64[0]).UTC())
	case *maybeI64Cells:
		return absent(x.marks[0] != 0, x.ColInt64[0])
	case *maybeBitCells:
		return absent(x.marks[0] != 0, x.ColBool[0])
	}
	return reflect.ValueOf(c.value(0))
}

func absent[T any](yes bool, v T) reflect.Value {
	if yes {
		return reflect.ValueOf((*T)(nil))
	}
	return reflect.ValueOf(&v)
}

// Insert puts the rows [from, to) into a batch of InsertCalls.
func (c *Columns) Insert(b driver.Batch, from, to int) error {
	for i, col := range c.columns {
		if err := b.Column(i).Append(col.Slice(from, min(to, c.rows)).Interface()); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// InsertCalls is the statement for Columns.
func InsertCalls() string { return "INSERT INTO calls (" + strings.Join(names("calls"), ", ") + ")" }
