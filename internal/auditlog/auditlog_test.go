package auditlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/auditlog"
)

type fake struct {
	got []*kgo.Record
	err error
}

func (f *fake) ProduceSync(_ context.Context, rs ...*kgo.Record) kgo.ProduceResults {
	f.got = append(f.got, rs...)
	return kgo.ProduceResults{{Record: rs[0], Err: f.err}}
}

func TestWrite(t *testing.T) {
	f := &fake{}
	at := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	l := auditlog.New(f, func() time.Time { return at })
	err := l.Write(t.Context(), auditlog.Entry{Actor: "li.wei", Roles: []string{"qa"}, Action: auditlog.NumberRevealed, Kind: "call", Subject: "c1",
		Reason: "the customer of 13800138000 asked to be called back", Detail: map[string]string{"note": "+8613800138000"}})
	if err != nil {
		t.Fatal(err)
	}
	var got event.AuditRecord
	if err := got.UnmarshalVT(f.got[0].Value); err != nil {
		t.Fatal(err)
	}
	if got.AuditId == "" {
		t.Error("the record has no id")
	}
	want := &event.AuditRecord{AuditId: got.AuditId, At: at.UnixMilli(), Actor: "li.wei", Roles: []string{"qa"}, Action: "number_revealed", SubjectKind: "call", Subject: "c1", Outcome: "ok",
		Reason: "the customer of 138******00 asked to be called back", Detail: map[string]string{"note": "+861********00"}}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(f.got[0].Value), "13800138000") {
		t.Error("a number in the clear is in the record")
	}
}

func TestWriteFails(t *testing.T) {
	l := auditlog.New(&fake{err: errors.New("no brokers")}, nil)
	if err := l.Write(t.Context(), auditlog.Entry{Actor: "a", Action: auditlog.SignIn}); err == nil || !strings.Contains(err.Error(), "no brokers") {
		t.Errorf("Write: %v, want the broker's error", err)
	}
	if err := l.Write(t.Context(), auditlog.Entry{Action: auditlog.SignIn}); err == nil {
		t.Error("a record without an actor was taken")
	}
}

func TestCheckReason(t *testing.T) {
	for reason, ok := range map[string]bool{"": false, "  ": false, "aaaaaaa": false, "abc": false, "     x": false, "customer asked": true, "客户要求回访": true} {
		if err := auditlog.CheckReason(reason); (err == nil) != ok {
			t.Errorf("CheckReason(%q) = %v", reason, err)
		}
	}
}
