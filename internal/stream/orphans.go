package stream

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// endOrphans ends the transactions that processes which are gone left open. What one of them wrote to the changelog its
// partition's next owner sees and ends (fenceOthers); but a process may be killed when it has written outputs and no
// changelog yet, and these outputs would hold up whoever reads the topic until the broker's time limit. Best effort: that
// limit is the fallback.
func (s *session[S]) endOrphans(ctx context.Context) {
	r := s.r
	cl, err := kgo.NewClient(append(append([]kgo.Opt(nil), r.cfg.Kafka...), kgo.ClientID("ringfence-"+r.def.Name+"-orphans"))...)
	if err != nil {
		return
	}
	defer cl.Close()
	// The transactions first: a process that begins one after joining the group is then among its members.
	list := kmsg.NewPtrListTransactionsRequest()
	list.StateFilters = []string{"Ongoing"}
	var open []string
	for _, shard := range cl.RequestSharded(ctx, list) {
		if shard.Err != nil {
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListTransactionsResponse).TransactionStates {
			if t.TransactionalID != r.txnID && strings.HasPrefix(t.TransactionalID, Group(r.def.Name)+".") {
				open = append(open, t.TransactionalID)
			}
		}
	}
	if len(open) == 0 {
		return
	}
	members, err := liveInstances(ctx, cl, Group(r.def.Name))
	if err != nil {
		r.log.Debug("can't look up who is in the group", "err", err)
		return
	}
	for _, id := range orphans(open, Group(r.def.Name)+".", r.instance, members) {
		err := r.endTransaction(ctx, cl, id)
		r.log.Info("ended the open transaction of a process that is gone", "transactional_id", id, "err", err)
	}
}

// orphans are those of the open transactions whose process is not in the group: its ID is the prefix, the instance and
// perhaps a word for its start. An earlier start of this very instance is gone, too.
func orphans(open []string, prefix, self string, members []string) (out []string) {
	for _, id := range open {
		rest, live := strings.TrimPrefix(id, prefix), false
		for _, m := range members {
			live = live || m != self && (rest == m || strings.HasPrefix(rest, m+"."))
		}
		if !live {
			out = append(out, id)
		}
	}
	return out
}

// liveInstances are the members of a group by their instance IDs.
func liveInstances(ctx context.Context, cl *kgo.Client, group string) (out []string, err error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return nil, err
		}
		for _, m := range g.Members {
			if m.InstanceID == nil {
				return nil, fmt.Errorf("member %s of group %s has no instance ID", m.MemberID, g.Group)
			}
			out = append(out, *m.InstanceID)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("group %s has no members", group)
	}
	return out, nil
}

// endTransaction takes a transactional ID over, which aborts what is open under it.
func (r *Runner[S]) endTransaction(ctx context.Context, cl *kgo.Client, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = kmsg.StringPtr(id), int32(r.cfg.TxnTimeout.Milliseconds())
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	return err
}
