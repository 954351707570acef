package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// codecs stores every column of calls under every codec that fits its type, in the table's own order, and tells the bytes
// a row: what docs/columns.md is made of.
func (b *bench) codecs(ctx context.Context) error {
	engine, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{Dir: filepath.Join(b.dir, "codecs")})
	if err != nil {
		return err
	}
	defer engine.Close()
	conn, err := clickhouse.Open(ctx, clickhouse.Options{Addr: []string{engine.Addr()}, Database: "ringfence", Username: "default"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	x := &intoClickHouse{bench: b, conn: conn, n: b.records}
	if err := x.layOut(); err != nil {
		return err
	}
	b.say("codecs: %d calls", x.n)
	if err := x.bare(ctx, 100_000); err != nil {
		return err
	}
	type column struct{ name, kind, codec string }
	var columns []column
	rows, err := conn.Query(ctx, "SELECT name, type, compression_codec FROM system.columns WHERE database = 'ringfence' AND table = 'calls' AND default_kind != 'ALIAS' ORDER BY position")
	if err != nil {
		return err
	}
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.kind, &c.codec); err != nil {
			return err
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var key string
	if err := conn.QueryRow(ctx, "SELECT sorting_key FROM system.tables WHERE database = 'ringfence' AND name = 'calls'").Scan(&key); err != nil {
		return err
	}
	type result struct {
		column
		all  []string
		best float64
		now  float64
	}
	var results []result
	var total, least float64
	for _, c := range columns {
		r := result{column: c, best: 1e18}
		for _, codec := range candidates(c.kind) {
			size, err := stored(ctx, conn, c.name, c.kind, codec, key)
			if err != nil {
				return fmt.Errorf("%s under %s: %w", c.name, codec, err)
			}
			size /= float64(x.n)
			r.all = append(r.all, fmt.Sprintf("%s %.2f", codec, size))
			r.best = min(r.best, size)
			if now := strings.TrimSuffix(strings.TrimPrefix(c.codec, "CODEC("), ")"); strings.ReplaceAll(now, "(8)", "") == strings.ReplaceAll(codec, "(8)", "") || now == "" && codec == "LZ4" || strings.ReplaceAll(now, "(4)", "") == codec {
				r.now = size
			}
		}
		total, least = total+r.now, least+r.best
		results = append(results, r)
	}
	slices.SortStableFunc(results, func(a, b result) int { return cmp.Compare(b.now, a.now) })
	for _, r := range results {
		b.add(line{r.name + " " + r.kind, fmt.Sprintf("%.2f", r.now), strings.Join(r.all, ", "), fmt.Sprintf("%.2f", r.best), r.codec})
	}
	b.add(line{"all columns", fmt.Sprintf("%.1f", total), "", fmt.Sprintf("%.1f", least), ""})
	return nil
}

// candidates are the codecs worth trying for a type.
func candidates(kind string) []string {
	kind = strings.TrimSuffix(strings.TrimPrefix(kind, "Nullable("), ")")
	switch {
	case strings.HasPrefix(kind, "DateTime") || strings.HasPrefix(kind, "Int") || strings.HasPrefix(kind, "UInt"):
		return []string{"LZ4", "ZSTD(1)", "Delta, ZSTD(1)", "DoubleDelta, ZSTD(1)", "T64, ZSTD(1)"}
	}
	return []string{"LZ4", "ZSTD(1)", "ZSTD(3)"}
}

// stored is how many bytes a column takes on disk.
func stored(ctx context.Context, conn driver.Conn, name, kind, codec, key string) (float64, error) {
	for _, q := range []string{
		"DROP TABLE IF EXISTS one_column SYNC",
		fmt.Sprintf("CREATE TABLE one_column (x %s CODEC(%s)) ENGINE = MergeTree ORDER BY tuple() SETTINGS min_bytes_for_wide_part = 0", kind, codec),
		fmt.Sprintf("INSERT INTO one_column SELECT %s FROM calls ORDER BY %s SETTINGS max_insert_threads = 1", name, key),
		"OPTIMIZE TABLE one_column FINAL",
	} {
		if err := conn.Exec(ctx, q); err != nil {
			return 0, err
		}
	}
	var n uint64
	err := conn.QueryRow(ctx, "SELECT sum(data_compressed_bytes) FROM system.parts WHERE active AND database = 'ringfence' AND table = 'one_column'").Scan(&n)
	return float64(n), err
}
