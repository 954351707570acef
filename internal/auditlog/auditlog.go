package auditlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// Actions that are written down. A new one is a new word here: reports and alerts look for them.
const (
	SignIn              = "sign_in"
	SignOut             = "sign_out"
	AccessDenied        = "access_denied"
	RecordingPlayed     = "recording_played"
	RecordingDownloaded = "recording_downloaded"
	NumberRevealed      = "number_revealed"
	ReportExported      = "report_exported"
	CampaignResumed     = "campaign_resumed"
)

// Outcomes of an action.
const (
	OK     = "ok"
	Denied = "denied"
	Failed = "failed"
)

// Entry is one thing somebody did. Actor and Action are needed; the id and the time are set by Write.
type Entry struct {
	Actor     string
	Roles     []string
	PartnerID string
	Action    string
	Kind      string // of the subject: user, call, review, report, campaign
	Subject   string // its id
	Outcome   string // OK by default
	Reason    string // as the actor gave it; numbers in it are masked
	Address   string // where the request came from
	Source    string // console, api, cli
	Detail    map[string]string
}

// Producer is what Write needs of a Kafka client.
type Producer interface {
	ProduceSync(ctx context.Context, rs ...*kgo.Record) kgo.ProduceResults
}

// Log is the audit log.
type Log struct {
	producer Producer
	now      func() time.Time
}

// New makes a log on a client that waits for all replicas. now is time.Now by default.
func New(p Producer, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	return &Log{p, now}
}

// ErrReason is returned for a reason that says nothing.
var ErrReason = errors.New("a reason of at least 5 characters is needed")

// CheckReason refuses a reason that says nothing: fewer than five characters, or all the same.
func CheckReason(reason string) error {
	r := []rune(strings.TrimSpace(reason))
	n := 0
	for i := 1; i < len(r); i++ {
		if r[i] != r[0] {
			n++
		}
	}
	if len(r) < 5 || n == 0 {
		return ErrReason
	}
	return nil
}

// Write puts an entry into the log. An error means that it is not certain to be there: what it was to prove must not be
// done then.
func (l *Log) Write(ctx context.Context, e Entry) error {
	if e.Actor == "" || e.Action == "" {
		return errors.New("write the audit log: an actor and an action are needed")
	}
	if e.Outcome == "" {
		e.Outcome = OK
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	rec := &event.AuditRecord{AuditId: id.String(), At: l.now().UnixMilli(), Actor: cut(e.Actor, 200), Roles: e.Roles, PartnerId: e.PartnerID, Action: e.Action, SubjectKind: e.Kind,
		Subject: cut(e.Subject, 300), Outcome: e.Outcome, Reason: cut(number.MaskText(e.Reason), 2000), Address: e.Address, Source: e.Source, Detail: map[string]string{}}
	for k, v := range e.Detail {
		rec.Detail[k] = cut(number.MaskText(v), 2000)
	}
	v, err := rec.MarshalVT()
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	if err := l.producer.ProduceSync(ctx, &kgo.Record{Topic: event.TopicAuditLog, Key: []byte(rec.Actor), Value: v}).FirstErr(); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// cut keeps the beginning of what somebody else wrote, as valid UTF-8.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
