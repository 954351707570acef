package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// patience is how long a partition may have no leader before that is an error: a broker's death is noticed within its
// session.
const patience = time.Minute

// Offsets asks for offsets (kadm's ListEndOffsets and the like) until every partition has answered: just after topics are
// made, and while leaders move, some cannot for a moment. Errors that do not pass by themselves come back at once, others
// after a minute.
func Offsets(ctx context.Context, ask func(context.Context, ...string) (kadm.ListedOffsets, error), topics ...string) (kadm.ListedOffsets, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wait := time.NewTicker(200 * time.Millisecond)
	defer wait.Stop()
	for {
		l, err := ask(ctx, topics...)
		if err == nil {
			err = l.Error()
		}
		if err == nil || !kerr.IsRetriable(err) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return l, err
		case <-wait.C:
		}
	}
}
