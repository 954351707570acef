package memory_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
)

type number struct{ n int64 }

type codec struct{}

func (codec) Append(dst []byte, s *number) ([]byte, error) {
	return strconv.AppendInt(dst, s.n, 10), nil
}

func (codec) Decode(src []byte) (*number, error) {
	n, err := strconv.ParseInt(string(src), 10, 64)
	return &number{n}, err
}

func TestDriver(t *testing.T) {
	def := stream.Definition[number]{
		Name: "sum", Inputs: []string{"in"}, Codec: codec{},
		Process: func(c *stream.Context[number], r *stream.Record) error {
			s, ok, err := c.Get(string(r.Key))
			if err != nil {
				return err
			}
			if !ok {
				s = &number{}
			}
			s.n += int64(len(r.Value))
			c.Emit(stream.Output{Topic: "out", Value: strconv.AppendInt(nil, s.n, 10)})
			if string(r.Value) == "forget" {
				return nil // no Put
			}
			if err := c.Put(string(r.Key), s); err != nil {
				return err
			}
			if string(r.Value) == "bad" {
				return &stream.Reject{Reason: "bad"}
			}
			return c.SetTimer(string(r.Key), c.Now().Add(time.Minute))
		},
		Timer: func(c *stream.Context[number], key string, _ time.Time) error { return c.Delete(key) },
	}
	d := memory.New(def)
	base := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	feed := func(v string) error { return d.Feed(stream.Record{Key: []byte("k"), Value: []byte(v), Time: base}) }
	var rej *stream.Reject
	if err := feed("abc"); err != nil {
		t.Fatal(err)
	}
	if err := feed("forget"); err != nil {
		t.Fatal(err)
	}
	if err := feed("bad"); !errors.As(err, &rej) || len(d.Rejected()) != 1 {
		t.Fatalf("want a Reject, got %v", err)
	}
	if s, ok, err := d.State("k"); err != nil || !ok || s.n != 3 {
		t.Fatalf("state %v %v %v, want 3", s, ok, err)
	}
	if out := d.Outputs(); len(out) != 2 {
		t.Fatalf("%d outputs, want 2", len(out))
	}
	if at, ok := d.Timer("k"); !ok || !at.Equal(base.Add(time.Minute)) {
		t.Fatalf("timer %v %v", at, ok)
	}
	if err := d.Advance(59 * time.Second); err != nil || len(d.Keys()) != 1 {
		t.Fatalf("%v: %v", err, d.Keys())
	}
	if err := d.Advance(time.Second); err != nil || len(d.Keys()) != 0 {
		t.Fatalf("%v: %v", err, d.Keys())
	}
}
