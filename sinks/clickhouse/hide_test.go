package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ringfence/ringfence/event"
)

// dialled is a number as it may stand in any field of any fact.
const dialled = "+8613955501234"

// fill puts the number into every text of a message that is not a hash, a day, or one of an enumeration.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := string(f.Name())
		switch {
		case strings.Contains(name, "hash") || slices.Contains([]string{"day", "week", "number_masked", "key_sha256", "key", "status", "decision"}, name):
		case f.Kind() == protoreflect.StringKind && f.IsList():
			l := m.Mutable(f).List()
			l.Append(protoreflect.ValueOfString(dialled))
			l.Append(protoreflect.ValueOfString("out-" + dialled[3:] + "-7"))
		case f.Kind() == protoreflect.StringKind && !f.IsMap():
			m.Set(f, protoreflect.ValueOfString("out-"+dialled[1:]+"-7"))
		case f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() && f.ContainingOneof() == nil:
			fill(m.Mutable(f).Message())
		}
	}
}

// No column of any table holds a number in the clear, wherever it stood in a fact (CONTRACT.md section 6).
func TestNoColumnHoldsANumber(t *testing.T) {
	r := newRig(t)
	r.sink(func(o *SinkOptions) {
		o.CustomerHash = func(id string) string { s := sha256.Sum256([]byte(id)); return hex.EncodeToString(s[:16]) }
	})
	at := int64(1_790_000_000_000)
	facts := map[string][]interface {
		proto.Message
		MarshalVT() ([]byte, error)
	}{
		event.TopicCallFacts:       {&event.CallFact{Call: &event.Call{StartedAt: at, EndedAt: at, UpdatedAt: at}}},
		event.TopicComplaintFacts:  {&event.ComplaintFact{Complaint: &event.Complaint{At: at}}},
		event.TopicAgentIntervals:  {&event.AgentInterval{StartAt: at, EndAt: at + 1}},
		event.TopicQATasks:         {&event.QATask{Day: "2026-09-21", DrawnAt: at, CallStartedAt: at}},
		event.TopicCampaigns:       {&event.Campaign{At: at}},
		event.TopicLeads:           {&event.Lead{At: at}},
		event.TopicSurveys:         {&event.Survey{At: at}},
		event.TopicCampaignSignals: {&event.CampaignSignal{At: at}},
		event.TopicDeadLetter:      {&event.DeadLetter{At: at, Raw: []byte(`{"number":"` + dialled + `"}`)}},
	}
	for _, list := range facts {
		for _, m := range list {
			fill(m.ProtoReflect())
		}
	}
	d, st := &event.PermitDecision{Decision: "permit", At: at}, &event.PermitStatus{Status: "used", At: at}
	p, s := &event.PopulationRow{Day: "2026-09-21", Week: "2026-09-27", CallStartedAt: at, At: at}, &event.Schedule{StartAt: at, EndAt: at + 1}
	q, x := &event.SamplingQuota{At: at}, &event.SamplingReplacement{Day: "2026-09-21", At: at}
	e := &event.QAEvent{At: at, State: &event.QATaskState{Task: &event.QATask{Day: "2026-09-21", DrawnAt: at, CallStartedAt: at}, Review: &event.QAReview{}}}
	for _, m := range []proto.Message{d, st, p, s, q, x, e} {
		fill(m.ProtoReflect())
	}
	d.CustomerId, st.CustomerId = dialled, dialled
	facts[event.TopicPermitDecisions] = append(facts[event.TopicPermitDecisions], &event.PermitEvent{Body: &event.PermitEvent_Decision{Decision: d}},
		&event.PermitEvent{Body: &event.PermitEvent_Status{Status: st}})
	facts[event.TopicSamplingFacts] = append(facts[event.TopicSamplingFacts], &event.SamplingFact{Body: &event.SamplingFact_Population{Population: p}},
		&event.SamplingFact{Body: &event.SamplingFact_Quota{Quota: q}}, &event.SamplingFact{Body: &event.SamplingFact_Replacement{Replacement: x}})
	facts[event.TopicQAEvents] = append(facts[event.TopicQAEvents], e)
	facts[event.TopicAgentStates] = append(facts[event.TopicAgentStates], &event.AgentEvent{Body: &event.AgentEvent_Schedule{Schedule: s}})
	var recs []*kgo.Record
	for topic, list := range facts {
		for _, m := range list {
			recs = append(recs, r.record(topic, "k", m))
		}
	}
	if err := r.client.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	filled := []string{"calls", "complaints", "agent_intervals", "permits", "permit_status", "qa_tasks", "sampling_population", "surveys", "leads", "schedules", "campaigns", "campaign_signals", "dead_letter",
		"qa_task_events", "qa_task_status", "qa_reviews", "qa_appeals", "qa_incidents", "sampling_quotas", "sampling_replacements"}
	for _, table := range filled {
		r.waits(table+" has its row", func() bool { return r.number("count() FROM "+table) == 1 })
	}
	rows, err := r.conn.Query(t.Context(), "SELECT table, name FROM system.columns WHERE database = 'ringfence' AND table IN (SELECT name FROM system.tables WHERE database = 'ringfence')")
	if err != nil {
		t.Fatal(err)
	}
	var columns [][2]string
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	for _, c := range columns {
		if n := r.number(fmt.Sprintf("count() FROM `%s` WHERE toString(`%s`) LIKE '%%3955501%%' OR toString(`%s`) LIKE '%%5501234%%'", c[0], c[1], c[1])); n > 0 {
			t.Errorf("%s.%s holds a number", c[0], c[1])
		}
	}
	if len(columns) < 150 {
		t.Errorf("only %d columns were looked at", len(columns))
	}
}

// A day's key takes the place of its promise, in whatever order the two are written (CONTRACT.md section 8).
func TestADayHasOneKey(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	promise, revealed := &event.SamplingKey{Day: "2026-09-21", KeySha256: "ab", PublishedAt: 1}, &event.SamplingKey{Day: "2026-09-21", KeySha256: "ab", PublishedAt: 1, Key: "cd", RevealedAt: 2}
	for i, k := range []*event.SamplingKey{promise, revealed, promise} {
		m := &event.SamplingFact{Body: &event.SamplingFact_Key{Key: k}}
		if err := r.client.ProduceSync(t.Context(), r.record(event.TopicSamplingFacts, "k", m)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		r.waits("it is in", func() bool {
			return r.number("count() FROM sampling_keys") >= int64(min(i+1, 2)) || r.number("count() FROM sampling_keys FINAL WHERE key = 'cd'") == 1
		})
	}
	if n := r.number("count() FROM sampling_keys FINAL"); n != 1 || r.number("count() FROM sampling_keys FINAL WHERE key = 'cd'") != 1 {
		t.Errorf("%d rows", n)
	}
}
