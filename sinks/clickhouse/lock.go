package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// lease is how long a lock holds that is not renewed: its holder was killed.
const lease = 10 * time.Second

const tableAlreadyExists = 57

// locked runs do in one process at a time. ClickHouse has no locks, but a table can be created by one process only: the
// lock is a table, numbered upwards, whose comment the holder changes while it lives. Were a holder only slow and not
// dead, two would run at once: migrations bear that, they only lose time.
func locked(ctx context.Context, conn driver.Conn, do func() error) error {
	me := uuid.NewString()
	number := uint32(0)
	for seen, since := "", time.Now(); ; {
		var newest uint32
		var comment string
		err := conn.QueryRow(ctx, `SELECT toUInt32(max(toUInt32OrZero(substring(name, 13)))), argMax(comment, toUInt32OrZero(substring(name, 13)))
			FROM system.tables WHERE database = currentDatabase() AND match(name, '^schema_lock_[0-9]+$')`).Scan(&newest, &comment)
		if err != nil {
			return fmt.Errorf("look for the schema's lock: %w", err)
		}
		if mark := fmt.Sprint(newest, " ", comment); mark != seen {
			seen, since = mark, time.Now()
		}
		if newest == 0 || time.Since(since) > lease {
			number = newest + 1
			err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE schema_lock_%d (holder String) ENGINE = MergeTree ORDER BY holder COMMENT '%s 0'", number, me))
			if err == nil {
				break
			}
			var ex *ch.Exception
			if !errors.As(err, &ex) || ex.Code != tableAlreadyExists {
				return fmt.Errorf("take the schema's lock: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another process that changes the schema: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	held, release := context.WithCancel(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		tick := time.NewTicker(lease / 5)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-held.Done():
				return
			case <-tick.C:
				// One that fails is made up for by the next.
				_ = conn.Exec(held, fmt.Sprintf("ALTER TABLE schema_lock_%d MODIFY COMMENT '%s %d'", number, me, n))
			}
		}
	}()
	err := do()
	release()
	<-renewed
	// Leftovers of killed holders have lower numbers.
	var names []string
	if qerr := conn.QueryRow(ctx, "SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase() AND match(name, '^schema_lock_[0-9]+$') AND toUInt32OrZero(substring(name, 13)) <= ?", number).Scan(&names); qerr != nil {
		return errors.Join(err, fmt.Errorf("release the schema's lock: %w", qerr))
	}
	for _, n := range names {
		if derr := conn.Exec(ctx, "DROP TABLE IF EXISTS "+n); derr != nil {
			err = errors.Join(err, fmt.Errorf("release the schema's lock: %w", derr))
		}
	}
	return err
}
