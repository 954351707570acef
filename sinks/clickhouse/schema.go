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
	Cluster            string         // of system.clusters; "" = one server
	Keep               map[string]int // by table, months after which its rows are deleted; see Kept
	Recordings         Recordings
}

// connect opens a connection to a database.
func (o Options) connect(db string) (driver.Conn, error) {
	s := ch.Settings{}
	if o.Cluster != "" {
		s["distributed_product_mode"] = "global" // a subquery's rows may be on another shard
		s["distributed_foreground_insert"] = 1   // an insert is done when the shards have it
	}
	conn, err := ch.Open(&ch.Options{Addr: o.Addr, Auth: ch.Auth{Database: db, Username: o.Username, Password: o.Password}, DialTimeout: 3 * time.Second, Settings: s,
		ReadTimeout: 5 * time.Minute, MaxOpenConns: 16, MaxIdleConns: 8, Compression: &ch.Compression{Method: ch.CompressionLZ4}})
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return conn, nil
}

// Open connects, makes the database if it is not there, and brings the schema up to date. Several processes may do so at
// once. A database that a newer ringfence has made is refused.
func Open(ctx context.Context, o Options) (driver.Conn, error) {
	var err error
	if o.Cluster == "" {
		err = o.prepare(ctx, nil)
	} else {
		err = o.prepareCluster(ctx)
	}
	if err != nil {
		return nil, err
	}
	return o.connect(o.Database)
}

// spread runs a statement of the schema in more places than one; nil = on the one server connected to.
type spread func(ctx context.Context, statement string) error

// prepare makes the database and its schema.
func (o Options) prepare(ctx context.Context, run spread) error {
	first, err := o.connect("default")
	if err != nil {
		return err
	}
	create := run
	if run == nil {
		create = execOn(first)
	}
	err = create(ctx, "CREATE DATABASE IF NOT EXISTS "+o.Database)
	_ = first.Close()
	if err != nil {
		return fmt.Errorf("make database %s: %w", o.Database, err)
	}
	conn, err := o.connect(o.Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if run == nil {
		run = execOn(conn)
	}
	all, err := released()
	if err != nil {
		return err
	}
	if err := migrate(ctx, conn, all, run); err != nil {
		return err
	}
	if err := keep(ctx, conn, o.Keep, run); err != nil {
		return err
	}
	return o.Recordings.view(ctx, conn, run)
}

func execOn(conn driver.Conn) spread {
	return func(ctx context.Context, q string) error { return conn.Exec(ctx, q) }
}

// migration is one numbered file. Every statement of it can be run again: one that was cut off begins anew.
type migration struct {
	version    uint32
	name, sum  string
	statements []string
}

// released are the migrations of this binary, oldest first.
func released() ([]migration, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var out []migration
	for _, f := range files {
		name := path.Base(f)
		n, err := strconv.ParseUint(name[:4], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: a migration's name begins with four digits", f)
		}
		if k := len(out); k > 0 && out[k-1].version == uint32(n) {
			return nil, fmt.Errorf("%s and %s have the same number: a database could have only one of them", out[k-1].name, name)
		}
		src, err := migrations.ReadFile(f)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(src)
		out = append(out, migration{uint32(n), name, hex.EncodeToString(sum[:8]), statements(string(src))})
	}
	return out, nil
}

// migrate applies what was not applied yet, one process at a time. A database newer than this binary is refused before
// anything is done to it.
func migrate(ctx context.Context, conn driver.Conn, all []migration, run spread) error {
	todo, err := missing(ctx, conn, all)
	if err != nil || len(todo) == 0 {
		return err
	}
	return locked(ctx, conn, func() error {
		todo, err := missing(ctx, conn, all) // another process may have done it meanwhile
		if err != nil {
			return err
		}
		for _, m := range todo {
			for _, q := range m.statements {
				if err := run(ctx, q); err != nil {
					return fmt.Errorf("migration %s: %w", m.name, err)
				}
			}
			if err := conn.Exec(ctx, "INSERT INTO schema_migrations VALUES (?, ?, now64(3))", m.version, m.sum); err != nil {
				return fmt.Errorf("note migration %s: %w", m.name, err)
			}
		}
		return nil
	})
}

// missing are the migrations that the database has not got.
func missing(ctx context.Context, conn driver.Conn, all []migration) ([]migration, error) {
	err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, checksum String, at DateTime64(3,'UTC')) ENGINE = ReplacingMergeTree ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("make the table of migrations: %w", err)
	}
	applied := map[uint32]string{}
	rows, err := conn.Query(ctx, "SELECT version, checksum FROM schema_migrations FINAL")
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	for rows.Next() {
		var v uint32
		var sum string
		if err := rows.Scan(&v, &sum); err != nil {
			return nil, err
		}
		applied[v] = sum
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	newest := all[len(all)-1].version
	for v := range applied {
		if v > newest {
			return nil, fmt.Errorf("the database has schema version %d and this ringfence knows %d: run the newer ringfence", v, newest)
		}
	}
	var out []migration
	for _, m := range all {
		was, done := applied[m.version]
		if done && was != m.sum {
			return nil, fmt.Errorf("the database's schema version %d is not the one this ringfence knows by that number (%s): it was made by an unreleased version; use another database", m.version, m.name)
		}
		if !done {
			out = append(out, m)
		}
	}
	return out, nil
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
