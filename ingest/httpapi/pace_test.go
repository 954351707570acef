package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// What has time is delivered portion by portion, each when the one before is processed.
func TestImportsLetPermitsGoFirst(t *testing.T) {
	b := start(t, nil)
	adm := kadm.NewClient(b.client)
	committed := func(at func(end int64) int64) (total int64) {
		ends, err := adm.ListEndOffsets(t.Context(), event.TopicCustomerEvents)
		if err != nil {
			t.Fatal(err)
		}
		var o kadm.Offsets
		ends.Each(func(e kadm.ListedOffset) {
			total += e.Offset
			o.Add(kadm.Offset{Topic: e.Topic, Partition: e.Partition, At: at(e.Offset), LeaderEpoch: -1})
		})
		if at(1) >= 0 {
			if err := adm.CommitAllOffsets(t.Context(), stream.Group("contactcap"), o); err != nil {
				t.Fatal(err)
			}
		}
		return total
	}
	committed(func(end int64) int64 { return end }) // contactcap is there, and has done all
	b.askedAt.Store(time.Now().Add(time.Hour).UnixMilli())
	var lines strings.Builder
	const n = 2*portion + portion/2
	for i := range n {
		lines.WriteString(strings.ReplaceAll(goodCall, `"c1"`, fmt.Sprintf(`"c%d"`, i)) + "\n")
	}
	done := make(chan string, 1)
	go func() {
		status, body := b.do("POST", "/v1/calls", "application/x-ndjson", lines.String(), "Priority", "u=7, i")
		done <- fmt.Sprint(status, " ", body)
	}()
	look := func(int64) int64 { return -1 }
	for _, want := range []int64{portion, 2 * portion, n} {
		for deadline := time.Now().Add(20 * time.Second); committed(look) != want; {
			if time.Now().After(deadline) {
				t.Fatalf("%d delivered, want %d", committed(look), want)
			}
		}
		if want < n {
			select {
			case s := <-done:
				t.Fatal("it was answered before all was delivered: ", s)
			default:
			}
			if got := committed(look); got != want {
				t.Fatalf("%d delivered before what came before was processed", got)
			}
		}
		committed(func(end int64) int64 { return end })
	}
	if s := <-done; !strings.HasPrefix(s, fmt.Sprintf(`200 {"accepted":%d`, n)) {
		t.Error(s)
	}
}
