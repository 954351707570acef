package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusal is an error that waiting can't heal: Run returns it.
type refusal struct{ err error }

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// layout is what a session needs to know of the topics.
type layout struct {
	partitions int32
	topicID    [16]byte // of the changelog
	inputs     map[string][16]byte
}

// prepare checks the inputs and makes the changelog if it isn't there.
func (r *Runner[S]) prepare(ctx context.Context, cl *kgo.Client) (layout, error) {
	topics, err := describe(ctx, cl, append(slices.Clone(r.def.Inputs), r.changelog))
	if err != nil {
		return layout{}, err
	}
	n := r.cfg.Partitions
	var has []string
	for _, in := range r.def.Inputs {
		t, ok := topics[in]
		if !ok {
			return layout{}, fmt.Errorf("input topic %s is missing", in)
		}
		if n == 0 {
			n = int32(len(t.Partitions))
		}
		has = append(has, fmt.Sprintf("%s has %d", in, len(t.Partitions)))
	}
	for _, in := range r.def.Inputs {
		if int32(len(topics[in].Partitions)) != n {
			return layout{}, &refusal{fmt.Errorf("%s: the inputs must have %d partitions each, but %s: a key's state lives in its partition, so their number can't change",
				r.def.Name, n, strings.Join(has, ", "))}
		}
	}
	log, ok := topics[r.changelog]
	if !ok {
		if err := r.makeChangelog(ctx, cl, n); err != nil {
			return layout{}, err
		}
		made, err := describe(ctx, cl, []string{r.changelog})
		if err != nil {
			return layout{}, err
		}
		if log, ok = made[r.changelog]; !ok {
			return layout{}, fmt.Errorf("%s was made but isn't there yet", r.changelog)
		}
	}
	if got := int32(len(log.Partitions)); got != n {
		return layout{}, &refusal{fmt.Errorf("%s has %d partitions, the inputs have %d: their number was changed after states were kept. Give the inputs their old number back, or delete %s and replay the inputs from the start",
			r.changelog, got, n, r.changelog)}
	}
	if err := r.store.checkPartitions(n); err != nil {
		return layout{}, &refusal{fmt.Errorf("%s: %w", r.def.Name, err)}
	}
	l := layout{partitions: n, topicID: log.TopicID, inputs: map[string][16]byte{}}
	for _, in := range r.def.Inputs {
		l.inputs[in] = topics[in].TopicID
	}
	return l, nil
}

func describe(ctx context.Context, cl *kgo.Client, names []string) (map[string]kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, n := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("look up the topics: %w", err)
	}
	out := map[string]kmsg.MetadataResponseTopic{}
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) || t.Topic == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up topic %s: %w", *t.Topic, err)
		}
		out[*t.Topic] = t
	}
	return out, nil
}

func (r *Runner[S]) makeChangelog(ctx context.Context, cl *kgo.Client, n int32) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = r.changelog, n, r.cfg.Replication
	for k, v := range map[string]string{
		"cleanup.policy":      "compact",
		"delete.retention.ms": strconv.FormatInt(topicDeleteRetention.Milliseconds(), 10),
		"segment.bytes":       strconv.Itoa(128 << 20),
	} {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, kmsg.StringPtr(v)
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	req.TimeoutMillis = 10_000
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("make %s: %w", r.changelog, err)
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("make %s: %w", r.changelog, err)
		}
	}
	return nil
}
