package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/decode"
	"github.com/ringfence/ringfence/internal/number"
)

// Letter is an input that could not be taken.
type Letter struct {
	Source, Reason, Pointer string
	Raw                     []byte
}

// Letters puts inputs into the dead letter: readable with numbers masked, whole under seal.
func (a *API) Letters(ctx context.Context, letters []Letter) error {
	records := make([]*kgo.Record, 0, len(letters))
	for _, l := range letters {
		d := &event.DeadLetter{At: a.deps.Now().UnixMilli(), Source: l.Source, Reason: number.MaskText(l.Reason), Pointer: l.Pointer,
			Raw: []byte(number.MaskText(string(l.Raw))), Sealed: a.deps.Key.Seal(l.Raw)}
		v, err := d.MarshalVT()
		if err != nil {
			return fmt.Errorf("encode a dead letter: %w", err)
		}
		records = append(records, &kgo.Record{Topic: event.TopicDeadLetter, Key: []byte(l.Source), Value: v})
	}
	return a.produce(ctx, records)
}

// deadLetter is one entry as it is listed.
type deadLetter struct {
	ID         string    `json:"id"` // partition/offset in ringfence.dead-letter
	At         time.Time `json:"at"`
	Source     string    `json:"source"`
	Reason     string    `json:"reason"`
	Pointer    string    `json:"pointer,omitempty"`
	Raw        string    `json:"raw"` // numbers masked
	Replayable bool      `json:"replayable"`

	letter *event.DeadLetter
}

// letters reads the dead letter from its beginning to its end as of now, newest first.
func (a *API) letters(ctx context.Context, keep func(*deadLetter) bool) ([]*deadLetter, error) {
	adm := kadm.NewClient(a.producer)
	starts, err := adm.ListStartOffsets(ctx, event.TopicDeadLetter)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListCommittedOffsets(ctx, event.TopicDeadLetter)
	if err != nil {
		return nil, err
	}
	from := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	ends.Each(func(e kadm.ListedOffset) {
		s, _ := starts.Lookup(e.Topic, e.Partition)
		if e.Offset > s.Offset {
			from[e.Partition], left[e.Partition] = kgo.NewOffset().At(s.Offset), e.Offset
		}
	})
	var out []*deadLetter
	if len(left) == 0 {
		return out, nil
	}
	cl, err := kgo.NewClient(append(slices.Clone(a.deps.Base), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{event.TopicDeadLetter: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, e := range fs.Errors() {
			return nil, fmt.Errorf("read the dead letter: %w", e.Err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			var d event.DeadLetter
			if r.Attrs.IsControl() || d.UnmarshalVT(r.Value) != nil {
				return
			}
			e := &deadLetter{ID: fmt.Sprintf("%d/%d", r.Partition, r.Offset), At: time.UnixMilli(d.At).UTC(), Source: d.Source, Reason: number.MaskText(d.Reason),
				Pointer: d.Pointer, Raw: strings.ToValidUTF8(number.MaskText(string(d.Raw)), "\uFFFD"), Replayable: replayable(&d), letter: &d}
			if keep(e) {
				out = append(out, e)
			}
		})
	}
	slices.SortStableFunc(out, func(x, y *deadLetter) int { return y.At.Compare(x.At) })
	return out, nil
}

// replayable entries are whole objects of the API, or records of a topic.
func replayable(d *event.DeadLetter) bool {
	_, kind := kindOf(d)
	return len(d.Sealed) > 0 && kind || d.Topic != "" && d.Key != ""
}

func kindOf(d *event.DeadLetter) (decode.Kind, bool) {
	k, ok := strings.CutPrefix(d.Source, "api:")
	return decode.Kind(k), ok && slices.Contains(decode.Kinds(), decode.Kind(k))
}

type letterFilter struct {
	IDs    []string   `json:"ids"`
	Source string     `json:"source"`
	Since  *time.Time `json:"since"`
}

func (f letterFilter) match(e *deadLetter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, e.ID)) && (f.Source == "" || e.Source == f.Source) && (f.Since == nil || !e.At.Before(*f.Since))
}

// listLetters answers GET /v1/dead-letter?source=&since=&limit=.
func (a *API) listLetters(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := letterFilter{Source: q.Get("source"), IDs: q["id"]}
	if s := q.Get("since"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			fail(w, http.StatusUnprocessableEntity, "The time cannot be read", "since: expected a time such as 2026-11-24T08:00:00+08:00")
			return
		}
		f.Since = &t
	}
	limit := 100
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			fail(w, http.StatusUnprocessableEntity, "The limit cannot be read", "limit: expected a positive number")
			return
		}
		limit = n
	}
	all, err := a.letters(r.Context(), f.match)
	if err != nil {
		a.kafkaAway(w, err)
		return
	}
	shown := all[:min(limit, len(all))]
	if shown == nil {
		shown = []*deadLetter{}
	}
	answer(w, http.StatusOK, map[string]any{"total": len(all), "entries": shown})
}

type replayFailure struct {
	ID     string `json:"id"`
	Detail string `json:"detail"`
}

// replayLetters answers POST /v1/dead-letter/replay: the entries are sent again, as they came. What is refused again
// stays in the dead letter; what had been taken meanwhile changes nothing (events are idempotent).
func (a *API) replayLetters(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	var f letterFilter
	if err := json.Unmarshal(body, &f); err != nil {
		fail(w, http.StatusBadRequest, "The body cannot be read", `expected {"ids":["0/12"]} or {"source":"api:calls","since":"..."}: `+err.Error())
		return
	}
	if len(f.IDs) == 0 && f.Source == "" && f.Since == nil {
		fail(w, http.StatusBadRequest, "Which entries?", "expected ids, source or since")
		return
	}
	all, err := a.letters(r.Context(), f.match)
	if err != nil {
		a.kafkaAway(w, err)
		return
	}
	replayed := 0
	failed := []replayFailure{}
	for _, e := range slices.Backward(all) { // in the order they came
		if err := a.replay(r.Context(), e.letter); err != nil {
			failed = append(failed, replayFailure{e.ID, err.Error()})
			continue
		}
		replayed++
	}
	answer(w, http.StatusOK, map[string]any{"replayed": replayed, "failed": failed})
}

func (a *API) replay(ctx context.Context, d *event.DeadLetter) error {
	if !replayable(d) {
		return fmt.Errorf("%s cannot be sent again from here: give it in where it came from", d.Source)
	}
	kind, ok := kindOf(d)
	if !ok {
		return a.produce(ctx, []*kgo.Record{{Topic: d.Topic, Key: []byte(d.Key), Value: d.Raw}})
	}
	raw, err := a.deps.Key.Open(d.Sealed)
	if err != nil {
		return fmt.Errorf("open the seal: %w", err)
	}
	e, problems := a.decoder.Decode(kind, raw)
	if problems != nil {
		return fmt.Errorf("still refused: %s", number.MaskText(problems.Error()))
	}
	return a.Deliver(ctx, []*decode.Event{e})
}
