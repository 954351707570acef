package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// inserter sends blocks over connections of its own: one at a time over each, as the protocol wants it.
type inserter struct {
	opt      Options
	patience time.Duration // how long an insert may take before it is given up and tried again

	mu   sync.Mutex
	next int // address that is tried next
	idle []*chgo.Client
}

func (p *inserter) take(ctx context.Context) (*chgo.Client, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	addr := p.opt.Addr[p.next%len(p.opt.Addr)]
	p.next++
	p.mu.Unlock()
	c, err := chgo.Dial(ctx, chgo.Options{Address: addr, Database: p.opt.Database, User: p.opt.Username, Password: p.opt.Password, Compression: chgo.CompressionLZ4,
		DialTimeout: 3 * time.Second, HandshakeTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, ClientName: "ringfence"})
	if err != nil {
		return nil, fmt.Errorf("connect to ClickHouse at %s: %w", addr, err)
	}
	return c, nil
}

// give keeps a connection for the next insert unless something went wrong on it. An idle one that the server has closed
// meanwhile fails the next insert, which is then tried again on a new one; the others are closed with it.
func (p *inserter) give(c *chgo.Client, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && !c.IsClosed() {
		p.idle = append(p.idle, c)
		return
	}
	for _, x := range append(p.idle, c) {
		_ = x.Close()
	}
	p.idle = nil
}

func (p *inserter) close() { // of idle connections; one in use closes itself when its context ends
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
}

// insert sends blocks of one table in one statement and returns when ClickHouse has them.
//
// ClickHouse writes the token of a block into its log before the block itself is in place: killed between the two, it has
// the token and not the rows, and drops the same rows under the same token for good (measured: 2 of 200 inserts that a
// SIGKILL interrupted). So every try goes under a token of its own, and rows that an earlier try had brought in stand
// twice until they are merged: every table is a ReplacingMergeTree.
//
// An insert ends when ctx does, and after the inserter's patience: a server that took a query and never answers must not
// hold the partitions. The connection is closed for that; the client itself looks at its context only after an answer.
func (p *inserter) insert(ctx context.Context, table string, blocks []*block) error {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.patience, fmt.Errorf("ClickHouse did not answer within %v", p.patience))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	in, left := blocks[0].input(), blocks[1:]
	q := chgo.Query{
		Body:  "INSERT INTO " + table + " (" + strings.Join(names(table), ", ") + ") VALUES",
		Input: in,
		Settings: []chgo.Setting{
			{Key: "insert_deduplication_token", Value: uuid.NewString(), Important: true},
			chgo.SettingInt("async_insert", 0),
			chgo.SettingInt("max_partitions_per_insert_block", 0),
		},
	}
	if p.opt.Cluster != "" {
		q.Settings = append(q.Settings, chgo.SettingInt("distributed_foreground_insert", 1))
	}
	if len(left) > 0 {
		q.OnInput = func(context.Context) error {
			if len(left) == 0 {
				for i := range in {
					in[i].Data = proto.ColStr{} // nothing is left to send
				}
				return io.EOF
			}
			for i, c := range left[0].columns {
				in[i].Data = c
			}
			left = left[1:]
			return nil
		}
	}
	err = c.Do(ctx, q)
	stop()
	p.give(c, err)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// load is what goes into one table together.
type load struct {
	table  string
	blocks []*block
}

// recs are the records it was made of.
func (l *load) recs() []*kgo.Record {
	var out []*kgo.Record
	for _, b := range l.blocks {
		out = append(out, b.recs...)
	}
	return out
}

func (l *load) rows() int {
	n := 0
	for _, b := range l.blocks {
		n += b.rows
	}
	return n
}

// insertLoad inserts until it is in, or until ClickHouse has refused single rows for what is in them: these go to the
// dead letter and their neighbours go in. A table that was altered so that it takes no row any more is waited for.
func (s *Sink) insertLoad(ctx context.Context, l *load) error {
	var refused error
	err := s.patiently(ctx, "insert", func() error {
		err := s.inserter.insert(ctx, l.table, l.blocks)
		refused = nil
		if !isRefusal(err) {
			return wrap(err, "insert into "+l.table)
		}
		takes, perr := s.takes(ctx, l)
		if perr != nil {
			return perr
		}
		if !takes {
			return fmt.Errorf("%s refuses every row, as if it had been altered: %s", l.table, message(err))
		}
		refused = err
		return nil
	})
	if err != nil {
		return err
	}
	if refused == nil {
		s.metrics.rows.WithLabelValues(l.table).Add(float64(l.rows()))
		last := l.blocks[len(l.blocks)-1].recs
		s.accepted(l.table, last[len(last)-1])
		return nil
	}
	return s.bisect(ctx, l.table, l.recs(), refused)
}

// bisect finds the refused rows among records of a load that was refused.
func (s *Sink) bisect(ctx context.Context, table string, recs []*kgo.Record, refused error) error {
	if len(recs) == 1 {
		return s.condemn(ctx, table, recs[0], refused)
	}
	half := len(recs) / 2
	for _, part := range [][]*kgo.Record{recs[:half], recs[half:]} {
		b := s.only(table, part)
		if b.rows == 0 {
			continue
		}
		var again error
		err := s.patiently(ctx, "insert", func() error {
			err := s.inserter.insert(ctx, table, []*block{b})
			if again = nil; isRefusal(err) {
				again, err = err, nil
			}
			return wrap(err, "insert into "+table)
		})
		if err == nil && again != nil {
			err = s.bisect(ctx, table, part, again)
		} else if err == nil {
			s.metrics.rows.WithLabelValues(table).Add(float64(b.rows))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// condemn puts a record's rows of a table into the dead letter.
func (s *Sink) condemn(ctx context.Context, table string, r *kgo.Record, refused error) error {
	b := s.only(table, []*kgo.Record{r})
	s.opt.Logger.Error("ClickHouse refuses a row", "table", table, "record", position(r), "error", message(refused))
	s.metrics.refused.WithLabelValues(table).Add(float64(b.rows))
	c := s.newConverter()
	for i := range b.rows {
		c.dead(r, fmt.Sprintf("%s refuses the row: %s", table, message(refused)), fmt.Sprint(b.values(i)), fmt.Sprintf("/%s/%d", table, i))
	}
	return s.patiently(ctx, "insert", func() error { return s.inserter.insert(ctx, "dead_letter", []*block{c.blocks["dead_letter"]}) })
}

// only is the rows of one table that records make.
func (s *Sink) only(table string, recs []*kgo.Record) *block {
	c := s.newConverter()
	for _, r := range recs {
		c.add(r)
	}
	if b := c.blocks[table]; b != nil {
		return b
	}
	return newBlock(table, s.hide)
}

// accepted remembers a record that a table took.
func (s *Sink) accepted(table string, r *kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good[table] = r
}

// probes is how many rows of a load are tried singly before the table is held responsible.
const probes = 16

// takes tells whether a table takes rows at all: one that it took before, else any of the load's. Of a load too small to
// tell, the rows are held responsible.
func (s *Sink) takes(ctx context.Context, l *load) (bool, error) {
	s.mu.Lock()
	good := s.good[l.table]
	s.mu.Unlock()
	try, all := []*kgo.Record{good}, l.recs()
	if good == nil {
		try = nil
		for i := 0; i < len(all); i += max(1, len(all)/probes) {
			try = append(try, all[i])
		}
	}
	for _, r := range try {
		b := s.only(l.table, []*kgo.Record{r})
		if b.rows == 0 {
			continue
		}
		err := s.inserter.insert(ctx, l.table, []*block{b})
		if err == nil {
			s.accepted(l.table, r)
			return true, nil
		}
		if !isRefusal(err) {
			return false, wrap(err, "insert into "+l.table)
		}
	}
	return good == nil && len(all) < probes/4, nil
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// message is an error without the addresses and versions a server adds.
func message(err error) string {
	var ex *chgo.Exception
	if errors.As(err, &ex) {
		return ex.Message
	}
	var old *ch.Exception
	if errors.As(err, &old) {
		return old.Message
	}
	return err.Error()
}

// refusals are ClickHouse's codes for values it does not take; whatever else goes wrong may pass.
var refusals = []proto.Error{
	6,   // CANNOT_PARSE_TEXT
	26,  // CANNOT_PARSE_QUOTED_STRING
	27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
	38,  // CANNOT_PARSE_DATE
	41,  // CANNOT_PARSE_DATETIME
	53,  // TYPE_MISMATCH
	69,  // ARGUMENT_OUT_OF_BOUND
	70,  // CANNOT_CONVERT_TYPE
	72,  // CANNOT_PARSE_NUMBER
	128, // TOO_LARGE_ARRAY_SIZE
	131, // TOO_LARGE_STRING_SIZE
	321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	469, // VIOLATED_CONSTRAINT
	691, // UNKNOWN_ELEMENT_OF_ENUM
}

func isRefusal(err error) bool {
	var ex *chgo.Exception
	return errors.As(err, &ex) && slices.Contains(refusals, ex.Code)
}
