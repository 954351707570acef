package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/ringfence/ringfence/internal/embedded"
)

// server is an engine on which each test has databases of its own.
func server(t *testing.T) Options {
	t.Helper()
	e, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return Options{Addr: []string{e.Addr()}, Database: "ringfence", Username: "default"}
}

func openDB(t *testing.T, o Options) driver.Conn {
	t.Helper()
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// empty is a connection to a database without a schema.
func empty(t *testing.T, o Options) driver.Conn {
	t.Helper()
	first, err := o.connect("default")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if err := first.Exec(t.Context(), "CREATE DATABASE "+o.Database); err != nil {
		t.Fatal(err)
	}
	c, err := o.connect(o.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func count(t *testing.T, c driver.Conn, q string) int64 {
	t.Helper()
	var n int64
	if err := c.QueryRow(t.Context(), "SELECT toInt64((SELECT "+q+"))").Scan(&n); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// shapeOf a database: tables, columns, keys.
func shapeOf(t *testing.T, c driver.Conn) string {
	t.Helper()
	var s string
	err := c.QueryRow(t.Context(), `SELECT arrayStringConcat(groupArray(line), '\n') FROM (SELECT t.name || ' ' || t.engine || ' ' || t.sorting_key || ' ' || t.partition_key || ' ' || c.name || ' ' || c.type || ' ' || c.default_kind || ' ' || c.compression_codec AS line
		FROM system.tables AS t LEFT JOIN system.columns AS c ON c.database = t.database AND c.table = t.name WHERE t.database = currentDatabase() ORDER BY t.name, c.name)`).Scan(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMigrations(t *testing.T) {
	o := server(t)
	fresh := openDB(t, o)
	want := shapeOf(t, fresh)
	if openDB(t, o); shapeOf(t, fresh) != want {
		t.Error("opening a database a second time changes it")
	}
	all, err := released()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("at once", func(t *testing.T) {
		o := o
		o.Database = "at_once"
		var g errgroup.Group
		for range 6 {
			g.Go(func() error {
				c, err := Open(t.Context(), o)
				if err != nil {
					return err
				}
				return c.Close()
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		c := openDB(t, o)
		if got := shapeOf(t, c); got != want {
			t.Errorf("the schema is another one:\n%s", got)
		}
		if n := count(t, c, "count() FROM schema_migrations"); n != int64(len(all)) {
			t.Errorf("%d migrations were noted, want each of %d once", n, len(all))
		}
	})
	t.Run("newer", func(t *testing.T) {
		o := o
		o.Database = "newer"
		c := empty(t, o)
		if _, err := missing(t.Context(), c, all); err != nil { // makes the table of migrations
			t.Fatal(err)
		}
		if err := c.Exec(t.Context(), "INSERT INTO schema_migrations VALUES (9999, 'x', now64(3))"); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "version 9999") {
			t.Errorf("error %v, want one that names the version", err)
		}
		if n := count(t, c, "count() FROM system.tables WHERE database = 'newer' AND name = 'calls'"); n != 0 {
			t.Error("a newer database was changed")
		}
	})
	t.Run("altered", func(t *testing.T) {
		o := o
		o.Database = "altered"
		c := openDB(t, o)
		if err := c.Exec(t.Context(), "INSERT INTO schema_migrations VALUES (1, 'x', now64(3) + 1)"); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "0001_facts.sql") {
			t.Errorf("error %v, want one that names the file", err)
		}
	})
	t.Run("forward with data", func(t *testing.T) { forward(t, o, all, want) })
}

// forward: a database of the first version that holds calls is cut off in every statement of what followed and goes on;
// its calls are there, and the schema is the one a new database has.
func forward(t *testing.T, o Options, all []migration, want string) {
	o.Database = "forward"
	c := empty(t, o)
	if err := migrate(t.Context(), c, all[:1], execOn(c)); err != nil {
		t.Fatal(err)
	}
	// Two versions of each call, and one that an update has moved to another month.
	for _, revision := range []int{1, 2} {
		err := c.Exec(t.Context(), fmt.Sprintf(`INSERT INTO calls (call_id, started_at, ended_at, updated_at, received_at, campaign_id, products, prepared_ms, revision)
			SELECT concat('c', toString(number)), toDateTime64('2026-01-10 00:00:00', 3, 'UTC') + number * 600 AS began, began + 30, began + 30, began, concat('k', toString(number %% 3)), ['a'], number * %d, %d FROM numbers(4000)`, revision, revision))
		if err != nil {
			t.Fatal(err)
		}
	}
	// A permit and a denial for each of two customers, each told twice.
	for range 2 {
		if err := c.Exec(t.Context(), `INSERT INTO permits (request_id, permit_id, decision, customer_id, at, products, denied_by)
			SELECT concat('r', toString(number)), if(number % 2 = 0, concat('p', toString(number)), ''), if(number % 2 = 0, 'permit', 'deny'), concat('C', toString(number % 2)), toDateTime64('2026-01-31 23:59:00', 3, 'UTC') + number * 40, ['a'], if(number % 2 = 0, [], ['CAP-01']) FROM numbers(400)`); err != nil {
			t.Fatal(err)
		}
	}
	// Every permit was used, one is not there any more, and one had been an orphan before.
	if err := c.Exec(t.Context(), `INSERT INTO permit_status (permit_id, status, at) SELECT concat('p', toString(number)), 'used', toDateTime64('2026-02-01 00:10:00', 3, 'UTC') FROM numbers(402) WHERE number % 2 = 0 UNION ALL SELECT 'p0', 'orphaned', now()`); err != nil {
		t.Fatal(err)
	}
	// Of each interval of two agents the version that came last counts.
	for revision := range 2 {
		if err := c.Exec(t.Context(), `INSERT INTO agent_intervals (agent_id, state, start_at, end_at, revision)
			SELECT concat('a', toString(number % 2)), 'talking', toDateTime64('2026-01-31 20:00:00', 3, 'UTC') + intDiv(number, 2) * 300 AS began, began + 100 + ?, ? FROM numbers(400)`, revision, uint64(revision)); err != nil {
			t.Fatal(err)
		}
	}
	cut := errors.New("cut off")
	for fails := 0; ; fails++ {
		n := 0
		err := migrate(t.Context(), c, all, func(ctx context.Context, q string) error {
			if n == fails {
				return cut
			}
			n++
			return c.Exec(ctx, q)
		})
		if err == nil {
			break
		}
		if !errors.Is(err, cut) {
			t.Fatalf("after it was cut off: %v", err)
		}
	}
	if n, sum := count(t, c, "count() FROM calls_current"), count(t, c, "sum(prepared_ms) FROM calls_current"); n != 4000 || sum != 2*4000*3999/2 {
		t.Errorf("%d calls with the sum %d, want 4000 and %d", n, sum, 2*4000*3999/2)
	}
	if n, denied := count(t, c, "count() FROM permits_current"), count(t, c, "countIf(decision = 'deny' AND denied_by = ['CAP-01'] AND slot = intDiv(toUnixTimestamp(at), 900)) FROM permits_current INNER JOIN (SELECT request_id, slot FROM permits FINAL) AS p USING request_id"); n != 400 || denied != 200 {
		t.Errorf("%d permits, %d of them denied, want 400 and 200", n, denied)
	}
	if n, used := count(t, c, "count() FROM permit_status FINAL WHERE (slot = 0) = (permit_id = 'p400') AND (permit_id = 'p400' OR slot = intDiv(toUnixTimestamp('2026-01-31 23:59:00', 'UTC') + toUInt32(substring(permit_id, 2)) * 40, 900))"), count(t, c, "countIf(status = 'used') FROM permits_current"); n != 202 || used != 200 {
		t.Errorf("%d rows of what became of permits stand where the permit does, %d permits were used, want 202 and 200", n, used)
	}
	if n, s := count(t, c, "count() FROM agent_intervals FINAL"), count(t, c, "sum(dateDiff('second', start_at, end_at)) FROM agent_intervals FINAL"); n != 400 || s != 400*101 {
		t.Errorf("%d intervals of %d s, want 400 of %d", n, s, 400*101)
	}
	for facts, table := range map[string]string{"permits": "permits", "states": "agent_intervals"} {
		if n, slots := count(t, c, "countIf(n > 0) FROM (SELECT slot, sum(n) AS n FROM touched WHERE facts = '"+facts+"' GROUP BY slot)"), count(t, c, "uniqExact(slot) FROM "+table); n != slots {
			t.Errorf("%d slots of %s are known to be touched, want %d", n, facts, slots)
		}
	}
	openDB(t, o)
	if got := shapeOf(t, c); got != want {
		t.Errorf("the schema is another one than a new database's:\n%s\nwant\n%s", got, want)
	}
}

// Who holds the lock and is killed keeps others waiting for the lease, no longer.
func TestLockOfAKilledProcess(t *testing.T) {
	o := server(t)
	c := empty(t, o)
	if err := c.Exec(t.Context(), "CREATE TABLE schema_lock_3 (holder String) ENGINE = MergeTree ORDER BY holder COMMENT 'a process that was killed'"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n := 0
	var g errgroup.Group
	for range 3 {
		g.Go(func() error { return locked(t.Context(), c, func() error { n++; return nil }) }) // the lock guards n
	}
	if err := g.Wait(); err != nil || n != 3 {
		t.Errorf("%d had the lock, error %v", n, err)
	}
	if waited := time.Since(began); waited < lease {
		t.Errorf("the lock was taken after %v, before its lease was over", waited)
	}
	if n := count(t, c, "count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'schema_lock%'"); n != 0 {
		t.Errorf("%d locks are left over", n)
	}
}

// How long rows are kept is set, changed and taken back; a recorded call is no matter of age.
func TestKeep(t *testing.T) {
	o := server(t)
	o.Keep = map[string]int{"calls": 24, "permits": 12}
	c := openDB(t, o)
	old := "now() - INTERVAL 30 MONTH"
	for _, uri := range []string{"", "rec/1.wav"} {
		if err := c.Exec(t.Context(), "INSERT INTO calls (call_id, started_at, recording_uri, revision) SELECT ?, "+old+", ?, 1", "c"+uri, uri); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Exec(t.Context(), "INSERT INTO permits (request_id, at) SELECT 'old', "+old+" UNION ALL SELECT 'new', now()"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"calls", "permits"} {
		if err := c.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, c, "groupBitOr(if(recording_uri = '', 1, 2)) FROM calls"); n != 2 {
		t.Errorf("old calls: %b are left, want the recorded one", n)
	}
	if n := count(t, c, "countIf(request_id = 'old') * 10 + count() FROM permits"); n != 1 {
		t.Errorf("permits: %d, want the new one alone", n)
	}
	o.Keep = map[string]int{"calls": 36}
	openDB(t, o)
	for table, want := range map[string]string{"calls": "toIntervalMonth(36)", "permits": ""} {
		var engine string
		if err := c.QueryRow(t.Context(), "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?", table).Scan(&engine); err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(engine, "TTL"); has != (want != "") || !strings.Contains(engine, want) {
			t.Errorf("%s: %s, want %q", table, engine, want)
		}
	}
	const mutations = "count() FROM system.mutations WHERE database = currentDatabase()"
	before := count(t, c, mutations)
	if openDB(t, o); count(t, c, mutations) != before {
		t.Error("opening without a change rewrites a table")
	}
	o.Keep = map[string]int{"complaints": 1}
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "complaints") {
		t.Errorf("error %v, want a refusal that names the table", err)
	}
}
