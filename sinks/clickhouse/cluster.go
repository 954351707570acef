package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// On a cluster the very same migrations make the schema in the database <database>_local of every server, with replicated
// tables where there is a Keeper. The database that everybody uses then has a Distributed table for each table there, and
// each view again over these. Rows of one key are on one shard, so that replacing tables replace.

// host is a server of the cluster.
type host struct {
	shard, replica uint32
	addr           string
}

const localSuffix = "_local"

func (o Options) prepareCluster(ctx context.Context) error {
	conn, err := o.connect("default")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	hosts, err := clusterHosts(ctx, conn, o.Cluster)
	if err != nil {
		return err
	}
	local := o
	local.Database += localSuffix
	if hasKeeper(ctx, conn) {
		if err := local.prepare(ctx, local.replicated(conn, hosts)); err != nil {
			return err
		}
		return o.distribute(ctx, conn, func(ctx context.Context, q string) error { return conn.Exec(ctx, onCluster(q, o.Cluster)) })
	}
	for _, h := range hosts {
		if h.replica > 1 {
			return fmt.Errorf("shard %d of the cluster %s has more than one replica and its servers have no Keeper: replication needs one", h.shard, o.Cluster)
		}
	}
	for _, h := range hosts {
		there := local
		there.Addr, there.Cluster = []string{h.addr}, ""
		if err := there.prepare(ctx, nil); err != nil {
			return fmt.Errorf("shard %d (%s): %w", h.shard, h.addr, err)
		}
		c, err := there.connect("default")
		if err != nil {
			return err
		}
		err = o.distribute(ctx, c, execOn(c))
		_ = c.Close()
		if err != nil {
			return fmt.Errorf("shard %d (%s): %w", h.shard, h.addr, err)
		}
	}
	return nil
}

func clusterHosts(ctx context.Context, conn driver.Conn, cluster string) ([]host, error) {
	rows, err := conn.Query(ctx, "SELECT shard_num, replica_num, host_name, port FROM system.clusters WHERE cluster = ? ORDER BY shard_num, replica_num", cluster)
	if err != nil {
		return nil, fmt.Errorf("read the cluster %s: %w", cluster, err)
	}
	var out []host
	for rows.Next() {
		var h host
		var name string
		var port uint16
		if err := rows.Scan(&h.shard, &h.replica, &name, &port); err != nil {
			return nil, err
		}
		h.addr = net.JoinHostPort(name, strconv.Itoa(int(port)))
		out = append(out, h)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		var names []string
		if err := conn.QueryRow(ctx, "SELECT groupUniqArray(cluster) FROM system.clusters").Scan(&names); err != nil {
			return nil, err
		}
		slices.Sort(names)
		return nil, fmt.Errorf("the server knows no cluster %q: clickhouse.cluster can be one of its remote_servers [%s]", cluster, strings.Join(names, " "))
	}
	return out, nil
}

// hasKeeper tells whether the server can replicate.
func hasKeeper(ctx context.Context, conn driver.Conn) bool {
	var n uint64
	return conn.QueryRow(ctx, "SELECT count() FROM system.zookeeper_connection").Scan(&n) == nil && n > 0
}

// replicated runs statements on the whole cluster. Rows that a migration writes are written once a shard.
func (o Options) replicated(conn driver.Conn, hosts []host) spread {
	return func(ctx context.Context, q string) error {
		if !isInsert(q) {
			db, err := o.connect(databaseFor(q, o.Database))
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			return db.Exec(ctx, onCluster(replicatedEngine(q), o.Cluster))
		}
		for _, h := range hosts {
			if h.replica != 1 {
				continue
			}
			there := o
			there.Addr = []string{h.addr}
			c, err := there.connect(o.Database)
			if err != nil {
				return err
			}
			err = c.Exec(ctx, q)
			_ = c.Close()
			if err != nil {
				return fmt.Errorf("shard %d (%s): %w", h.shard, h.addr, err)
			}
		}
		return nil
	}
}

// databaseFor is where a statement is run: the database itself is made from outside.
func databaseFor(q, database string) string {
	if strings.HasPrefix(q, "CREATE DATABASE") {
		return "default"
	}
	return database
}

func isInsert(q string) bool { return strings.HasPrefix(q, "INSERT ") }

var (
	plainEngine = regexp.MustCompile(`\bENGINE = (\w*MergeTree)\b`)
	ddlName     = regexp.MustCompile(`^((?:CREATE (?:OR REPLACE )?(?:TABLE|DATABASE|VIEW|MATERIALIZED VIEW)(?: IF NOT EXISTS)?|ALTER TABLE|DROP (?:TABLE|VIEW|DATABASE)(?: IF EXISTS)?|TRUNCATE TABLE|SYSTEM \w+(?: \w+)*?)\s+[\w.]+)`)
	ddlEnd      = regexp.MustCompile(`^(?:RENAME|EXCHANGE) TABLES? `)
)

// replicatedEngine makes the engine of a table one that replicates. The path in the Keeper is the servers' own default,
// by the table's uuid, so that a table may be renamed.
func replicatedEngine(q string) string {
	return plainEngine.ReplaceAllString(q, "ENGINE = Replicated$1")
}

// onCluster says that a statement of the schema is meant for every server.
func onCluster(q, cluster string) string {
	clause := " ON CLUSTER '" + cluster + "'"
	if ddlEnd.MatchString(q) {
		return q + clause
	}
	return ddlName.ReplaceAllString(q, "$1"+clause)
}

// distribute makes the database that everybody uses.
func (o Options) distribute(ctx context.Context, conn driver.Conn, run spread) error {
	if err := run(ctx, "CREATE DATABASE IF NOT EXISTS "+o.Database); err != nil {
		return fmt.Errorf("make database %s: %w", o.Database, err)
	}
	tables, err := schemaOf(ctx, conn, o.Database+localSuffix)
	if err != nil {
		return err
	}
	there, err := schemaOf(ctx, conn, o.Database)
	if err != nil {
		return err
	}
	for name, t := range there {
		if _, wanted := tables[name]; !wanted || t.engine != "Distributed" && t.engine != "View" {
			if strings.HasSuffix(t.engine, "MergeTree") {
				return fmt.Errorf("the database %s was made for one server (its table %s is a %s): a cluster needs another database", o.Database, name, t.engine)
			}
			if err := run(ctx, fmt.Sprintf("DROP TABLE IF EXISTS %s.%s", o.Database, name)); err != nil {
				return fmt.Errorf("take away %s: %w", name, err)
			}
		}
	}
	var statements, views []string
	for _, name := range sortedKeys(tables) {
		t := tables[name]
		switch {
		case strings.HasSuffix(t.engine, "MergeTree") && there[name].columns != t.columns:
			statements = append(statements, fmt.Sprintf("CREATE OR REPLACE TABLE %[1]s.%[2]s AS %[1]s%[3]s.%[2]s ENGINE = Distributed('%[4]s', '%[1]s%[3]s', '%[2]s', cityHash64(%[5]s))", o.Database, name, localSuffix, o.Cluster, t.key))
		case t.engine == "View":
			if sel := strings.ReplaceAll(t.query, o.Database+localSuffix+".", o.Database+"."); there[name].query != sel {
				views = append(views, fmt.Sprintf("CREATE OR REPLACE VIEW %s.%s AS %s", o.Database, name, sel))
			}
		}
	}
	for _, q := range statements {
		if err := run(ctx, q); err != nil {
			return fmt.Errorf("make a table for the cluster: %w", err)
		}
	}
	// A view may be over another one, which must be there first.
	for len(views) > 0 {
		var left []string
		var failed error
		for _, q := range views {
			if err := run(ctx, q); err != nil {
				left, failed = append(left, q), err
			}
		}
		if len(left) == len(views) {
			return fmt.Errorf("make a view for the cluster: %w", failed)
		}
		views = left
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// shape of a table or a view.
type shape struct {
	engine, query, columns string
	key                    string // by which rows are spread
}

// schemaOf a database: what the schema's own bookkeeping is made of is left out.
func schemaOf(ctx context.Context, conn driver.Conn, database string) (map[string]shape, error) {
	rows, err := conn.Query(ctx, `SELECT name, engine, as_select, sorting_key, c.columns, c.computed FROM system.tables AS t LEFT JOIN (
			SELECT table, arrayStringConcat(arraySort(groupArray(name || ' ' || type || ' ' || default_kind || ' ' || default_expression)), ', ') AS columns, groupArrayIf(name, default_kind != '' AND default_kind != 'DEFAULT') AS computed
			FROM system.columns WHERE database = ? GROUP BY table) AS c ON c.table = t.name
		WHERE database = ? AND NOT is_temporary AND name NOT LIKE 'schema\_%' AND name NOT LIKE '.inner%'`, database, database)
	if err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", database, err)
	}
	out := map[string]shape{}
	for rows.Next() {
		var name, key string
		var t shape
		var computed []string
		if err := rows.Scan(&name, &t.engine, &t.query, &key, &t.columns, &computed); err != nil {
			return nil, err
		}
		// Rows of one key have the same first columns of the key, and so the same shard. A column that the server
		// computes is not there yet when rows are spread.
		var by []string
		for _, k := range splitKey(key) {
			if !slices.Contains(computed, k) {
				by = append(by, k)
			}
		}
		t.key = strings.Join(by, ", ")
		if strings.HasSuffix(t.engine, "MergeTree") && t.key == "" {
			return nil, errors.New("table " + name + " has no key to be spread by")
		}
		out[name] = t
	}
	return out, rows.Err()
}

// splitKey splits a sorting key at the commas outside of parentheses.
func splitKey(key string) []string {
	var out []string
	depth, from := 0, 0
	for i, r := range key {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out, from = append(out, strings.TrimSpace(key[from:i])), i+1
			}
		}
	}
	if last := strings.TrimSpace(key[from:]); last != "" {
		out = append(out, last)
	}
	return out
}
