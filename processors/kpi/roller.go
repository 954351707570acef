package kpi

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Roller keeps the roll-ups current. It makes a bucket anew when the facts of its slots were touched since it was made;
// until then questions read the facts of that bucket. Several rollers on one database do the same work twice and no harm.
type Roller struct {
	Conn   driver.Conn
	Zone   *time.Location // the reporting zone: of another one the days are made anew
	Logger *slog.Logger
	// Rest is the least time between two makings of one bucket, so that a trickle of late calls costs little; days rest
	// fifteen times as long.
	Rest time.Duration
	// StocksFrom is how many leads there are at least where the lists are counted as of days gone by, too; 0 = a million. Fewer are
	// counted one by one in no time.
	StocksFrom uint64
	Metrics    *RollerMetrics
}

// slotsAtOnce bounds what one statement of a roll-up by minute reads.
const slotsAtOnce = 96

// Run works until ctx ends.
func (r *Roller) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	swept := time.Now()
	for {
		if now := time.Now(); now.Sub(swept) > time.Hour {
			swept = now
			if err := r.Sweep(ctx, now.Add(-time.Hour)); err != nil && ctx.Err() == nil {
				r.Logger.Warn("old versions of the roll-ups stay for now", "error", err)
			}
		}
		if n, err := r.Once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.Logger.Warn("the roll-ups are not current: questions read the facts", "error", err)
			r.Metrics.failed()
		} else {
			r.Metrics.made(n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Once makes every bucket that is stale and has rested, and returns how many.
func (r *Roller) Once(ctx context.Context, now time.Time) (int, error) {
	slots, err := r.stale(ctx, byMinute, "", "slot", now.Add(-r.Rest))
	if err != nil {
		return 0, fmt.Errorf("find stale slots: %w", err)
	}
	done := 0
	for chunk := range slices.Chunk(slots, slotsAtOnce) {
		if err := r.make(ctx, byMinute, "", "slot IN ("+joined(chunk)+")", chunk); err != nil {
			return done, err
		}
		done += len(chunk)
	}
	zone := r.Zone.String()
	y, m, d := now.In(r.Zone).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
	for _, of := range []rollup{byDay, byHour, byResult} {
		days, err := r.stale(ctx, of, zone, dayOfSlot(zone), now.Add(-15*r.Rest))
		if err != nil {
			return done, fmt.Errorf("find stale days: %w", err)
		}
		// Today grows all the time; its minutes and facts are read instead.
		days = slices.DeleteFunc(days, func(b bucket) bool { return b.bucket >= today })
		portions, err := r.portions(ctx, "calls", days)
		if err != nil {
			return done, err
		}
		for _, portion := range portions {
			if err := r.make(ctx, of, zone, onDays(numbers(portion), zone), portion); err != nil {
				return done, err
			}
			done += len(portion)
		}
	}
	n, err := r.days(ctx, now)
	return done + n, err
}

// newVersion is one that no other process has at the same moment.
func newVersion() uint64 { return uint64(time.Now().UnixNano())&^0xff | rand.Uint64N(256) }

// onDays are the slots of dates in the zone, in a way the key of the facts serves.
func onDays(days []int64, zone string) string {
	from, to := slices.Min(days)*96-96, slices.Max(days)*96+192 // no zone is a day away from UTC
	dates := make([]string, len(days))
	for i, day := range days {
		dates[i] = dateOf(day)
	}
	return fmt.Sprintf("slot >= %d AND slot < %d AND %s IN (%s)", from, to, dayOfSlot(zone), strings.Join(dates, ", "))
}

func numbers(of []bucket) []int64 {
	days := make([]int64, len(of))
	for i, b := range of {
		days[i] = b.bucket
	}
	return days
}

// rowsAtOnce bounds how many rows of facts a statement makes days of, if it is not one day that has more.
const rowsAtOnce = 500_000

// portions are the days that are made by one statement each, in their order: a long history with few calls a day costs no more
// than a few days with many.
func (r *Roller) portions(ctx context.Context, table string, days []bucket) ([][]bucket, error) {
	if len(days) < 2 {
		return slices.Collect(slices.Chunk(days, 1)), nil
	}
	rows, err := r.Conn.Query(ctx, fmt.Sprintf("SELECT toInt64(%s) AS day, count() FROM %s WHERE %s GROUP BY day", dayOfSlot(r.Zone.String()), table, onDays(numbers(days), r.Zone.String())))
	if err != nil {
		return nil, fmt.Errorf("count the %s of each day: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	has := map[int64]uint64{}
	for rows.Next() {
		var day int64
		var n uint64
		if err := rows.Scan(&day, &n); err != nil {
			return nil, fmt.Errorf("count the %s of each day: %w", table, err)
		}
		has[day] = n
	}
	return portioned(days, has), rows.Err()
}

// portioned cuts the days, of which each has so many rows, into portions of rowsAtOnce at most, or of one day.
func portioned(days []bucket, has map[int64]uint64) (out [][]bucket) {
	sum := uint64(0)
	for _, b := range days {
		if sum += has[b.bucket]; len(out) == 0 || sum > rowsAtOnce {
			out, sum = append(out, nil), has[b.bucket]
		}
		out[len(out)-1] = append(out[len(out)-1], b)
	}
	return out
}

// bucket of a roll-up, and the count of touches at which it is made.
type bucket struct {
	bucket  int64
	touched uint64
}

func joined(bs []bucket) string {
	var out []string
	for _, b := range bs {
		out = append(out, fmt.Sprint(b.bucket))
	}
	return strings.Join(out, ", ")
}

// stale are the buckets that were touched since they were made, and not made since `rested`.
func (r *Roller) stale(ctx context.Context, of rollup, zone, by string, rested time.Time) ([]bucket, error) {
	rows, err := r.Conn.Query(ctx, fmt.Sprintf("SELECT t.bucket, t.n FROM (SELECT toInt64(%s) AS bucket, sum(n) AS n FROM touched WHERE facts = 'calls' GROUP BY bucket) AS t "+
		"LEFT JOIN (SELECT bucket, max((made_at, version)) AS last FROM rolled WHERE rollup = %s AND zone = %s GROUP BY bucket) AS r ON r.bucket = t.bucket "+
		"WHERE r.last.1 != t.n AND r.last.2 < %d ORDER BY t.bucket DESC", by, quote(of.table), quote(zone), rested.UnixNano()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []bucket
	for rows.Next() {
		var b bucket
		if err := rows.Scan(&b.bucket, &b.touched); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

// make fills buckets under a new version and then names it. The counts were read before the facts are, so a row that
// comes meanwhile leaves the bucket stale.
func (r *Roller) make(ctx context.Context, of rollup, zone, condition string, buckets []bucket) error {
	version := newVersion()
	if err := r.Conn.Exec(ctx, of.fill(r.Zone.String(), condition, version)); err != nil {
		return fmt.Errorf("fill %s: %w", of.table, err)
	}
	var values []string
	for _, b := range buckets {
		values = append(values, fmt.Sprintf("(%s, %s, %d, %d, %d)", quote(of.table), quote(zone), b.bucket, b.touched, version))
	}
	if err := r.Conn.Exec(ctx, "INSERT INTO rolled (rollup, zone, bucket, made_at, version) VALUES "+strings.Join(values, ", ")); err != nil {
		return fmt.Errorf("name the new version of %s: %w", of.table, err)
	}
	return nil
}

// Sweep removes rows of versions that are no longer named and that no question can be reading any more.
func (r *Roller) Sweep(ctx context.Context, before time.Time) error {
	tables := []struct{ table, bucket string }{{byDay.table, "toInt64(day)"}, {byHour.table, "toInt64(day)"}, {byResult.table, "toInt64(day)"}, {byMinute.table, "toInt64(slot)"}, {"leads_stock", "toInt64(day)"}}
	for _, d := range slices.Concat(dailies(), sinces()) {
		tables = append(tables, struct{ table, bucket string }{d.table, "toInt64(day)"})
	}
	for _, t := range tables {
		err := r.Conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE version < %d AND (%s, version) NOT IN (SELECT bucket, tupleElement(max((made_at, version)), 2) FROM rolled WHERE rollup = %s GROUP BY zone, bucket)",
			t.table, before.UnixNano(), t.bucket, quote(t.table)))
		if err != nil {
			return fmt.Errorf("sweep %s: %w", t.table, err)
		}
	}
	return nil
}
