package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// Kind is one kind of object, named as in its path: /v1/<kind>.
type Kind string

const (
	Calls       Kind = "calls"
	AgentStates Kind = "agent-states"
	Customers   Kind = "customers"
	Complaints  Kind = "complaints"
	Surveys     Kind = "surveys"
	Leads       Kind = "leads"
	Schedules   Kind = "schedules"
	Campaigns   Kind = "campaigns"
	Permits     Kind = "permits"
)

// Kinds of events, in the contract's order; permits are asked, not sent.
func Kinds() []Kind {
	return []Kind{Calls, AgentStates, Customers, Complaints, Surveys, Leads, Schedules, Campaigns}
}

// Message is what goes into Kafka.
type Message interface{ MarshalVT() ([]byte, error) }

// Event is one decoded object.
type Event struct {
	Kind     Kind
	EventID  string
	Topic    string
	Key      string
	Message  Message
	Customer *event.CustomerEvent // set when Topic is customer-events
	At       int64                // when it counts
	Partner  string               // the partner it names, for tokens confined to one
	Also     *Event               // what goes with it: a lead's numbers, whom a customer is merged with
}

// Options of a decoder.
type Options struct {
	Region string
	Key    *number.Key
	Now    func() time.Time
	Source string // written on every event: api, import:asterisk-cdr, ...
}

// Decoder decodes; it may be used by many goroutines at once.
type Decoder struct{ opt Options }

// New makes a decoder.
func New(opt Options) *Decoder {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Decoder{opt}
}

// run is one object being decoded.
type run struct {
	*object
	opt *Options
	now int64
}

// Decode decodes one object of a kind.
func (d *Decoder) Decode(kind Kind, body []byte) (*Event, Problems) {
	if !json.Valid(body) {
		return nil, Problems{{"", notJSON(body), 400}}
	}
	var problems Problems
	o, ok := parse("", body, &problems)
	if !ok {
		return nil, problems
	}
	r := &run{object: o, opt: &d.opt, now: d.opt.Now().UnixMilli()}
	e := r.kind(kind)
	if e == nil {
		return nil, Problems{{"", fmt.Sprintf("%q is not a kind of event", kind), 400}}
	}
	r.end()
	if len(problems) > 0 {
		sort.SliceStable(problems, func(i, j int) bool { return problems[i].Pointer < problems[j].Pointer })
		return nil, problems
	}
	e.Kind = kind
	return e, nil
}

func notJSON(body []byte) string {
	if len(bytes.TrimSpace(body)) == 0 {
		return "the body is empty, expected a JSON object"
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return "is not JSON: " + err.Error()
	}
	return "is not JSON"
}

// Describe lists the fields of a kind.
func Describe(kind Kind) []Field {
	var fields []Field
	key, _ := number.NewKey(make([]byte, 32))
	r := &run{object: &object{describe: &fields, problems: &Problems{}}, opt: &Options{Key: key, Region: "CN"}}
	r.kind(kind)
	return fields
}

func (r *run) kind(kind Kind) *Event {
	switch kind {
	case Calls:
		return r.call()
	case AgentStates:
		return r.agentState()
	case Customers:
		return r.customer()
	case Complaints:
		return r.complaint()
	case Surveys:
		return r.survey()
	case Leads:
		return r.lead()
	case Schedules:
		return r.schedule()
	case Campaigns:
		return r.campaign()
	case Permits:
		return r.permit()
	}
	return nil
}

// customerID reads the id of a customer one knows; ids that begin with n: are given to unknown numbers.
func (r *run) customerID(name string, required bool) (string, bool) {
	id, ok := r.id(name, required)
	if ok && strings.HasPrefix(id, event.UnknownCustomerPrefix) {
		r.wrong(name, "begins with n:, as only ids of unknown numbers do", 422)
		return "", false
	}
	return id, ok
}

// telephone reads a number and gives its E.164 form.
func (r *run) telephone(name string, required bool) (string, bool) {
	return r.phone(Field{Name: name, Type: "telephone", Required: required}, number.Normalize)
}

// caller reads one of our own numbers, short codes included.
func (r *run) caller(name string) string {
	s, _ := r.phone(Field{Name: name, Type: "telephone"}, number.Caller)
	return s
}

func (r *run) phone(f Field, normalize func(raw, region string) (string, error)) (string, bool) {
	s, ok := r.textOf(f)
	if !ok {
		return "", false
	}
	n, err := normalize(s, r.opt.Region)
	if err != nil {
		r.wrong(f.Name, err.Error(), 422)
		return "", false
	}
	return n, true
}

// free reads a text that people write; telephone numbers in it are masked, as a number leaves ingest as its hash alone.
func (r *run) free(name string) (string, bool) {
	s, ok := r.text(name, false)
	return number.MaskText(s), ok
}

// telephones reads a list of numbers.
func (r *run) telephones(name string) ([]string, bool) {
	list, ok := r.textsOf(Field{Name: name, Type: "telephones"})
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for i, s := range list {
		n, err := number.Normalize(s, r.opt.Region)
		if err != nil {
			r.wrongItem(name, i, err.Error(), 422)
			continue
		}
		out = append(out, n)
	}
	return out, true
}

// hashes of numbers.
func (r *run) hashes(numbers []string) []string {
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = r.opt.Key.Hash(n)
	}
	return out
}

// who reads customer_id and number: one is needed. The envelope it fills names the customer.
func (r *run) who(ce *event.CustomerEvent) (masked string) {
	id, haveID := r.id("customer_id", false)
	num, haveNumber := r.telephone("number", false)
	if haveNumber {
		ce.NumberHash = r.opt.Key.Hash(num)
	}
	if hash, unknown := strings.CutPrefix(id, event.UnknownCustomerPrefix); unknown {
		// The id that answers give to an unknown number, sent back: it means the number.
		if len(hash) != number.HashLen || haveNumber && hash != ce.NumberHash {
			r.wrong("customer_id", "begins with n:, as ids of unknown numbers do, and is not that of one", 422)
		}
		ce.NumberHash, haveID, haveNumber = hash, false, true
	}
	switch {
	case haveID:
		ce.CustomerId = id
	case haveNumber:
		ce.CustomerId, ce.ByNumber = event.UnknownCustomerPrefix+ce.NumberHash, true
	case r.describe == nil && !r.has("customer_id") && !r.has("number"):
		r.wrong("customer_id", "is missing (or give number)", 400)
	}
	return number.Mask(num)
}

// eventID reads event_id or derives it from the natural key.
func (r *run) eventID(kind string, natural ...string) string {
	if id, ok := r.id("event_id", false); ok {
		return id
	}
	s := kind
	for _, n := range natural {
		s += ":" + n
	}
	if len(s) <= 120 {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return kind + ":" + hex.EncodeToString(sum[:16])
}

// bodyHash identifies the whole body whatever the order and spacing of its fields.
func (r *run) bodyHash() string {
	if r.describe != nil {
		return ""
	}
	sorted := append([]pair(nil), r.pairs...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].name < sorted[j].name })
	h := sha256.New()
	for _, p := range sorted {
		var b bytes.Buffer
		_ = json.Compact(&b, p.raw)
		_, _ = fmt.Fprintf(h, "%q=%s\n", p.name, b.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func ms(t int64) string { return strconv.FormatInt(t, 10) }

// customerEvent wraps what goes to the customer's topic.
func (r *run) customerEvent(ce *event.CustomerEvent, at int64, partner string) *Event {
	ce.ReceivedAt, ce.Source = r.now, r.opt.Source
	return &Event{EventID: ce.EventId, Topic: event.TopicCustomerEvents, Key: ce.CustomerId, Message: ce, Customer: ce, At: at, Partner: partner}
}
