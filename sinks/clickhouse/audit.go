package clickhouse

import (
	"encoding/json"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// auditRow is who did what. Free text is masked again here: whoever wrote the record may have forgotten.
func (c *converter) auditRow(value []byte) error {
	var f event.AuditRecord
	if err := f.UnmarshalVT(value); err != nil {
		return err
	}
	for k, v := range f.Detail {
		f.Detail[k] = number.MaskText(v)
	}
	detail := []byte("{}")
	if len(f.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(f.Detail); err != nil {
			return err
		}
	}
	c.to("audit_log").text(f.AuditId).at(f.At).word(f.Actor).words(f.Roles).word(f.PartnerId).word(f.Action).word(f.SubjectKind).text(number.MaskValid(f.Subject, "CN")).word(f.Outcome).
		text(number.MaskText(f.Reason)).text(f.Address).word(f.Source).text(string(detail)).end()
	return nil
}
