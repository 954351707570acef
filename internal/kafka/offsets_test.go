package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition whose leader is not known yet is asked again; what does not pass by itself is told at once.
func TestOffsetsWaitForLeaders(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	refuse := func(times int, with *kerr.Error) *int {
		asked := 0
		k.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			if asked++; asked > times {
				return nil, nil, false
			}
			req := r.(*kmsg.ListOffsetsRequest)
			resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
			for _, rt := range req.Topics {
				st := kmsg.NewListOffsetsResponseTopic()
				st.Topic = rt.Topic
				for _, rp := range rt.Partitions {
					sp := kmsg.NewListOffsetsResponseTopicPartition()
					sp.Partition, sp.ErrorCode = rp.Partition, with.Code
					st.Partitions = append(st.Partitions, sp)
				}
				resp.Topics = append(resp.Topics, st)
			}
			return resp, nil, true
		})
		return &asked
	}
	adm := kadm.NewClient(cl)
	asked := refuse(2, kerr.NotLeaderForPartition)
	l, err := Offsets(t.Context(), adm.ListEndOffsets, "t")
	if err != nil || len(l["t"]) != 2 || *asked < 3 {
		t.Errorf("%v %v after %d times", l, err, *asked)
	}
	asked = refuse(1<<30, kerr.TopicAuthorizationFailed)
	if _, err := Offsets(t.Context(), adm.ListEndOffsets, "t"); !errors.Is(err, kerr.TopicAuthorizationFailed) || *asked != 1 {
		t.Errorf("%v after %d times", err, *asked)
	}
}
