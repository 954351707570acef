package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topics is all that is in each topic, by its name.
func (x *site) topics(t *testing.T) map[string]string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(x.kafka...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	all, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(t.Context(), all.Names()...)
	if err != nil {
		t.Fatal(err)
	}
	from, left := map[string]map[int32]kgo.Offset{}, map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset == 0 {
			return
		}
		if from[o.Topic] == nil {
			from[o.Topic] = map[int32]kgo.Offset{}
		}
		from[o.Topic][o.Partition] = kgo.NewOffset().AtStart()
		left[fmt.Sprint(o.Topic, "/", o.Partition)] = o.Offset
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(x.kafka...), kgo.ConsumePartitions(from), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	texts := map[string]*strings.Builder{}
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("the topics cannot be read to their ends: %v", left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if texts[r.Topic] == nil {
				texts[r.Topic] = &strings.Builder{}
			}
			_, _ = fmt.Fprintf(texts[r.Topic], "%s\n%s\n", r.Key, r.Value)
			for _, h := range r.Headers {
				_, _ = fmt.Fprintf(texts[r.Topic], "%s %s\n", h.Key, h.Value)
			}
			if p := fmt.Sprint(r.Topic, "/", r.Partition); r.Offset >= left[p]-1 {
				delete(left, p)
			}
		})
	}
	out := map[string]string{}
	for name, b := range texts {
		out[name] = b.String()
	}
	return out
}

// tables is all that is in each table of ClickHouse, by its name.
func (x *site) tables(t *testing.T) map[string]string {
	t.Helper()
	names := x.texts(t, "SELECT name FROM system.tables WHERE database = 'ringfence' AND engine NOT LIKE '%View'")
	out := map[string]string{}
	for _, name := range names {
		out[name] = strings.Join(x.texts(t, "SELECT formatRow('JSONEachRow', *) FROM `"+name+"`"), "\n")
	}
	return out
}

func (x *site) texts(t *testing.T, query string) []string {
	t.Helper()
	rows, err := x.Conn().Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}
