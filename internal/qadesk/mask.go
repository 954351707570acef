package qadesk

import (
	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/number"
)

// mask hides the telephone numbers in all that people write, before it leaves this process.
func mask(cmd *event.QACommand) {
	switch b := cmd.Body.(type) {
	case *event.QACommand_Release:
		b.Release.Reason = number.MaskText(b.Release.Reason)
	case *event.QACommand_Draft:
		maskSheet(b.Draft.Sheet)
	case *event.QACommand_Score:
		maskSheet(b.Score.Sheet)
	case *event.QACommand_Appeal:
		b.Appeal.Text = number.MaskText(b.Appeal.Text)
	case *event.QACommand_Decide:
		b.Decide.Reason = number.MaskText(b.Decide.Reason)
		maskSheet(b.Decide.Amended)
	case *event.QACommand_Report:
		b.Report.Detail = number.MaskText(b.Report.Detail)
	case *event.QACommand_Recuse:
		b.Recuse.Reason = number.MaskText(b.Recuse.Reason)
	case *event.QACommand_Exempt:
		b.Exempt.Reason = number.MaskText(b.Exempt.Reason)
	}
}

func maskSheet(s *event.QASheet) {
	if s == nil {
		return
	}
	s.Comment = number.MaskText(s.Comment)
	for _, c := range s.Checks {
		c.Comment = number.MaskText(c.Comment)
	}
	for _, m := range s.Markers {
		m.Text = number.MaskText(m.Text)
	}
}
