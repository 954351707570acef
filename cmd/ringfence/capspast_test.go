package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/processors/contactcap/audit"
)

// TestAuditVerdict: the audit claims no more than it has redone.
func TestAuditVerdict(t *testing.T) {
	for _, c := range []struct {
		r    audit.Report
		want string
	}{
		{audit.Report{OK: true, Decisions: 3}, "p@1: every decision is as it had to be"},
		{audit.Report{OK: true, Decisions: 3, OtherPolicy: 2}, "the others were not redone"},
		{audit.Report{OK: true, OtherPolicy: 2}, "NO DECISION WAS REDONE"},
		{audit.Report{Decisions: 3, Found: 1}, "1 DIFFERENCES"},
	} {
		c.r.Policy = "p@1"
		var b bytes.Buffer
		if err := printAudit(&b, &c.r); err != nil || !strings.Contains(b.String(), c.want) {
			t.Errorf("%v: %q, want %q", err, b.String(), c.want)
		}
		if c.r.Decisions == 0 && strings.Contains(b.String(), "as it had to be") {
			t.Errorf("nothing was redone: %q", b.String())
		}
	}
}
