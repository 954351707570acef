package stream

import (
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// together is the cooperative sticky balancer for topics whose partitions of one number belong to one process:
// it balances the first topic and gives the others along with it.
type together struct {
	kgo.GroupBalancer
	inputs []string
}

func newTogether(inputs []string) kgo.GroupBalancer {
	return together{kgo.CooperativeStickyBalancer(), inputs}
}

func (t together) ProtocolName() string { return "ringfence-together" }

func (t together) JoinGroupMetadata(_ []string, current map[string][]int32, generation int32) []byte {
	first := t.inputs[0]
	var owned map[string][]int32
	if ps, ok := current[first]; ok {
		owned = map[string][]int32{first: ps}
	}
	return t.GroupBalancer.JoinGroupMetadata([]string{first}, owned, generation)
}

func (t together) ParseSyncAssignment(b []byte) (map[string][]int32, error) {
	got, err := t.GroupBalancer.ParseSyncAssignment(b)
	if err != nil {
		return nil, err
	}
	all := map[string][]int32{}
	if ps := got[t.inputs[0]]; len(ps) > 0 {
		for _, in := range t.inputs {
			all[in] = append([]int32(nil), ps...)
		}
	}
	return all, nil
}

func (t together) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	return t.GroupBalancer.MemberBalancer(members)
}
