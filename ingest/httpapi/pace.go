package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/decode"
	"github.com/ringfence/ringfence/internal/stream"
)

// A permit request stands behind everything that was acknowledged before it, and a file of a million calls would make it
// wait for all of them. So what says of itself that it has time (RFC 9218: "Priority: u=7", as imports do) is taken in small
// portions, the next one when the last one is processed: permits never find more than a portion before them.
const (
	portion      = 32               // while permits are asked for
	quietPortion = 2000             // while none are
	quiet        = 10 * time.Second // since the last permit request
	paceLimit    = 20 * time.Second // for one portion to be processed
)

// errBehind says that a portion was delivered and not processed in time: the next one has to wait.
var errBehind = errors.New("what came before is not processed yet")

func hasTime(r *http.Request) bool {
	for _, v := range r.Header.Values("Priority") {
		for part := range strings.SplitSeq(v, ",") {
			if strings.TrimSpace(part) == "u=7" {
				return true
			}
		}
	}
	return false
}

// deliverPaced delivers in portions.
func (a *API) deliverPaced(ctx context.Context, events []*decode.Event) error {
	for len(events) > 0 {
		n := quietPortion
		if time.Since(time.UnixMilli(a.askedAt.Load())) < quiet {
			n = portion
		}
		n = min(n, len(events))
		ends, err := a.deliver(ctx, events[:n])
		if err != nil {
			return err
		}
		if events = events[n:]; len(events) == 0 && n < portion {
			return nil // a few: nobody waits long for them
		}
		if err := a.processed(ctx, ends); err != nil {
			return err
		}
	}
	return nil
}

// processed waits until contactcap has taken the customer events before some offsets. Where it never ran there is nothing
// to wait for.
func (a *API) processed(ctx context.Context, ends map[int32]int64) error {
	if len(ends) == 0 {
		return nil
	}
	adm := kadm.NewClient(a.producer)
	deadline := time.Now().Add(paceLimit)
	for wait := 2 * time.Millisecond; ; wait = min(wait*3/2, 50*time.Millisecond) {
		done, err := adm.FetchOffsets(ctx, stream.Group("contactcap"))
		if errors.Is(err, kerr.GroupIDNotFound) || err == nil && len(done) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ask how far contactcap is: %w", err)
		}
		behind := false
		for p, end := range ends {
			o, ok := done.Lookup(event.TopicCustomerEvents, p)
			behind = behind || !ok || o.At < end
		}
		if !behind {
			return nil
		}
		if time.Now().After(deadline) {
			return errBehind
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}
