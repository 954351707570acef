package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/processors/kpi"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// goalAnswer is how long a metric over 30 days may take.
const goalAnswer = 200 * time.Millisecond

// sideDays are the last days for which agents' time, permits, complaints and reviews are generated; calls and leads are for
// all days.
const sideDays = 60

// centre is the generated centre in ClickHouse with its roll-ups made, and how many calls it has.
func (b *bench) centre(ctx context.Context) (conn driver.Conn, zone *time.Location, there uint64, done func(), err error) {
	addr, done := b.clickhouseAddr, func() {}
	if addr == "" {
		dir := b.keep
		if dir == "" {
			dir = filepath.Join(b.dir, "dashboards")
		}
		engine, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{Dir: dir})
		if err != nil {
			return nil, nil, 0, done, err
		}
		done, addr = engine.Close, engine.Addr()
	}
	if conn, err = clickhouse.Open(ctx, clickhouse.Options{Addr: []string{addr}, Database: "ringfence", Username: "default"}); err != nil {
		return nil, nil, 0, done, err
	}
	stop, open := done, conn // conn is nil where an error is returned
	done = func() { _ = open.Close(); stop() }
	if there, err = b.generateMissing(ctx, conn); err != nil {
		return nil, nil, 0, done, err
	}
	if zone, err = time.LoadLocation("Asia/Shanghai"); err != nil {
		return nil, nil, 0, done, err
	}
	if !b.roll {
		return conn, zone, there, done, nil
	}
	began := time.Now()
	roller := &kpi.Roller{Conn: conn, Zone: zone, Logger: slog.New(slog.DiscardHandler)}
	buckets := 0
	for range 30 { // a ClickHouse that is written to is never done
		n, err := roller.Once(ctx, time.Now().AddDate(10, 0, 0))
		if err != nil {
			return nil, nil, 0, done, err
		}
		if buckets += n; n == 0 {
			break
		}
	}
	b.say("dashboards: %d buckets rolled up in %s", buckets, time.Since(began).Round(time.Second))
	return conn, zone, there, done, nil
}

// generateMissing makes what the centre has not got of -calls, and returns how many calls there are. A ClickHouse with calls
// of its own is left alone. What was cut off in the middle is made again, as the same rows.
func (b *bench) generateMissing(ctx context.Context, conn driver.Conn) (there uint64, err error) {
	var own uint64
	if err := conn.QueryRow(ctx, "SELECT count(), countIf(NOT match(call_id, '^g[0-9]{4}-[0-9]{7}$')) FROM calls").Scan(&there, &own); err != nil {
		return 0, fmt.Errorf("count the calls: %w", err)
	}
	if own > 0 {
		return there, nil
	}
	began, told := time.Now(), time.Now()
	say := func(done string) {
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			b.say("dashboards: %s", done)
		}
	}
	b.say("dashboards: %d calls are there, %d are wanted", there, b.calls)
	if err := generate(ctx, conn, b.calls, func(done int) { say(fmt.Sprintf("%d calls", done)) }); err != nil {
		return 0, err
	}
	if err := generateRest(ctx, conn, max(b.calls, int(there)), sideDays, say); err != nil {
		return 0, err
	}
	if err := conn.QueryRow(ctx, "SELECT count() FROM calls FINAL").Scan(&there); err != nil {
		return 0, fmt.Errorf("count the calls: %w", err)
	}
	b.say("dashboards: %d calls and what belongs to them are there after %s", there, time.Since(began).Round(time.Second))
	return there, nil
}

// daysWith are the days of generatedEnd's zone, as how many before the last, on which a table has rows enough.
func daysWith(ctx context.Context, conn driver.Conn, table, at string, rows int) (map[int]bool, error) {
	found, err := conn.Query(ctx, fmt.Sprintf("SELECT toInt64(dateDiff('day', toDate(toTimeZone(%[1]s, 'Asia/Shanghai')), toDate('%[2]s'))) - 1 AS ago FROM %[3]s GROUP BY ago HAVING count() >= %[4]d", at, generatedEnd[:10], table, rows))
	if err != nil {
		return nil, fmt.Errorf("ask for the days of %s: %w", table, err)
	}
	defer func() { _ = found.Close() }()
	days := map[int]bool{}
	for found.Next() {
		var ago int64
		if err := found.Scan(&ago); err != nil {
			return nil, fmt.Errorf("read the days of %s: %w", table, err)
		}
		days[int(ago)] = true
	}
	return days, found.Err()
}

// dashboards measures every metric of the catalogue over the last days of a generated centre (-days): as one number, by
// campaign and by day, the caches warm; and the panels of all dashboards over the same days.
func (b *bench) dashboards(ctx context.Context) error {
	conn, zone, there, done, err := b.centre(ctx)
	defer done()
	if err != nil {
		return err
	}
	from, to, err := rangeOfGenerated(b.days)
	if err != nil {
		return err
	}
	within, slow := 0, []string{}
	worst := map[string]time.Duration{}
	cuts := [][]string{nil, {"campaign"}, {"day"}}
	asked := 0
	for _, m := range kpi.Catalogue() {
		if b.only != "" && !slices.Contains(strings.Split(b.only, ","), m.Name) {
			continue
		}
		asked++
		var cells []string
		ok := true
		for _, by := range cuts {
			if len(by) > 0 && !slices.Contains(m.Dimensions(), by[0]) {
				cells = append(cells, "-")
				continue
			}
			d, cpu, err := answers(ctx, conn, kpi.Query{Metrics: []string{m.Name}, From: from, To: to, By: by, Zone: zone}, b.answers)
			if err != nil {
				return err
			}
			cells = append(cells, fmt.Sprintf("%s (CPU %s)", d.Round(time.Millisecond), cpu.Round(time.Millisecond)))
			worst[strings.Join(by, "")] = max(worst[strings.Join(by, "")], d)
			ok = ok && d <= goalAnswer
		}
		if ok {
			within++
		} else {
			slow = append(slow, m.Name+" "+strings.Join(cells, " / "))
		}
		_, _ = fmt.Fprintf(b.log, "  %-26s %s\n", m.Name, strings.Join(cells, "  "))
	}
	b.add(line{fmt.Sprintf("metrics over %d days of %d M calls, p95 <= %s: total, by campaign, by day", b.days, there/1e6, goalAnswer), fmt.Sprintf("%d of %d", within, asked), "", "", "all"})
	for _, s := range slow {
		b.add(line{"  slower: " + s, "", "", "", ""})
	}
	if b.only != "" && !slices.Contains(strings.Split(b.only, ","), "panels") {
		return nil
	}
	return b.panels(ctx, conn, zone, there)
}

// panels measures the statements of all panels that ask ClickHouse, every variable at "all".
func (b *bench) panels(ctx context.Context, conn driver.Conn, zone *time.Location, there uint64) error {
	from, to, err := rangeOfGenerated(b.days)
	if err != nil {
		return err
	}
	known, within, slow := map[string]bool{}, 0, []string{}
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			q, err := d.Query(p, zone.String())
			if err != nil {
				return err
			}
			if q.SQL == "" {
				continue
			}
			sql, err := dashboards.Expand(q.SQL, d.WithDefaults(dashboards.Values{}), dashboards.Range{From: from, To: to})
			if err != nil {
				return err
			}
			if known[sql] {
				continue
			}
			known[sql] = true
			took, cpu, err := timed(ctx, b.answers, func(ctx context.Context) error {
				rows, err := conn.Query(ctx, sql+kpi.AsItIs)
				if err != nil {
					return err
				}
				defer func() { _ = rows.Close() }()
				for rows.Next() {
				}
				return rows.Err()
			})
			if err != nil {
				return fmt.Errorf("dashboard %s, panel %q: %w", d.UID, p.Title.EN, err)
			}
			said := fmt.Sprintf("%s, %s: %s (CPU %s)", d.UID, p.Title.EN, took.Round(time.Millisecond), cpu.Round(time.Millisecond))
			_, _ = fmt.Fprintln(b.log, "  "+said)
			if took <= goalAnswer {
				within++
			} else {
				slow = append(slow, said)
			}
		}
	}
	b.add(line{fmt.Sprintf("panels of all dashboards over %d days of %d M calls, p95 <= %s", b.days, there/1e6, goalAnswer), fmt.Sprintf("%d of %d", within, len(known)), "", "", "all"})
	for _, s := range slow {
		b.add(line{"  slower: " + s, "", "", "", ""})
	}
	return nil
}

// answers is the 95th percentile of how long a question takes, and the CPU time of it in ClickHouse.
func answers(ctx context.Context, conn driver.Conn, q kpi.Query, n int) (p95, cpu time.Duration, err error) {
	return timed(ctx, n, func(ctx context.Context) error {
		_, err := kpi.Ask(ctx, conn, q)
		return err
	})
}

// timed asks n times, after two that warm the caches: the 95th percentile (of 20 the slowest but one), and the median of the CPU time
// that ClickHouse's threads spend on it, without the one that analyses the statement. On a machine that has other work the second tells more.
func timed(ctx context.Context, n int, ask func(context.Context) error) (p95, cpu time.Duration, err error) {
	var took []time.Duration
	var spent []float64
	for i := range n + 2 {
		var us atomic.Int64
		asked := ch.Context(ctx, ch.WithProfileEvents(func(events []ch.ProfileEvent) {
			for _, e := range events {
				if e.Name == "OSCPUVirtualTimeMicroseconds" && e.ThreadID == 0 {
					us.Add(e.Value)
				}
			}
		}))
		began := time.Now()
		if err := ask(asked); err != nil {
			return 0, 0, err
		}
		if i >= 2 {
			took, spent = append(took, time.Since(began)), append(spent, float64(us.Load()))
		}
	}
	slices.Sort(took)
	return took[(len(took)*95+99)/100-1], time.Duration(median(spent)) * time.Microsecond, nil
}
