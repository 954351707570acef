package clickhouse

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options say how to reach ClickHouse.
type Options struct {
	Addr               []string
	Database           string
	Username, Password string
}

// Open connects, makes the database if it is not there, and brings the schema up to date.
func Open(ctx context.Context, o Options) (driver.Conn, error) {
	connect := func(db string) (driver.Conn, error) {
		return ch.Open(&ch.Options{Addr: o.Addr, Auth: ch.Auth{Database: db, Username: o.Username, Password: o.Password}, DialTimeout: 3 * time.Second,
			ReadTimeout: 5 * time.Minute, MaxOpenConns: 16, MaxIdleConns: 8, Compression: &ch.Compression{Method: ch.CompressionLZ4}})
	}
	first, err := connect("default")
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	err = first.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+o.Database)
	_ = first.Close()
	if err != nil {
		return nil, fmt.Errorf("make database %s: %w", o.Database, err)
	}
	conn, err := connect(o.Database)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	if err := migrate(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// migrate applies the numbered files that were not applied yet. Statements are idempotent, so two processes that
// migrate at once do no harm; a database newer than this binary is refused.
func migrate(ctx context.Context, conn driver.Conn) error {
	err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, checksum String, at DateTime64(3,'UTC')) ENGINE = ReplacingMergeTree ORDER BY version")
	if err != nil {
		return fmt.Errorf("make the table of migrations: %w", err)
	}
	applied := map[uint32]string{}
	rows, err := conn.Query(ctx, "SELECT version, checksum FROM schema_migrations FINAL")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	for rows.Next() {
		var v uint32
		var sum string
		if err := rows.Scan(&v, &sum); err != nil {
			return err
		}
		applied[v] = sum
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(files)
	newest := uint32(0)
	for _, f := range files {
		n, err := strconv.ParseUint(path.Base(f)[:4], 10, 32)
		if err != nil {
			return fmt.Errorf("%s: a migration's name begins with four digits", f)
		}
		v := uint32(n)
		newest = max(newest, v)
		src, err := migrations.ReadFile(f)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(src)
		if _, done := applied[v]; done {
			continue
		}
		for _, q := range statements(string(src)) {
			if err := conn.Exec(ctx, q); err != nil {
				return fmt.Errorf("migration %s: %w", path.Base(f), err)
			}
		}
		if err := conn.Exec(ctx, "INSERT INTO schema_migrations VALUES (?, ?, now64(3))", v, hex.EncodeToString(sum[:8])); err != nil {
			return fmt.Errorf("note migration %s: %w", path.Base(f), err)
		}
	}
	for v := range applied {
		if v > newest {
			return fmt.Errorf("the database has schema version %d and this ringfence knows %d: run the newer ringfence", v, newest)
		}
	}
	return nil
}

// statements splits a file at semicolons that end a line; comment lines are dropped.
func statements(src string) []string {
	var lines []string
	for _, l := range strings.Split(src, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(l), "--") {
			lines = append(lines, l)
		}
	}
	var out []string
	for _, q := range strings.Split(strings.Join(lines, "\n"), ";\n") {
		if q = strings.TrimSuffix(strings.TrimSpace(q), ";"); q != "" {
			out = append(out, q)
		}
	}
	return out
}
