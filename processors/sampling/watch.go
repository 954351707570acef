package sampling

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ringfence/ringfence/event"
)

// heard takes what became of a task: a published review that failed begins extra checks, clean ones end them (SMP-03); a
// recording that could not be heard is replaced (RET-01); an exemption is noted (SMP-06).
func (p *processor) heard(c *ctx, e *event.QAEvent) error {
	switch e.Kind {
	case "published", "decided":
		return p.reviewed(c, e)
	case "replaced":
		return p.replace(c, e.State)
	case "exempted":
		w, err := getWatch(c, e.AgentId)
		if err != nil {
			return err
		}
		w.Exempt = slices.DeleteFunc(w.Exempt, func(x string) bool { return x == e.Period })
		if !e.Lift {
			w.Exempt = append(w.Exempt, e.Period)
		}
		return putWatch(c, e.AgentId, w)
	}
	return nil
}

// Failed tells whether a review counts as failed for SMP-03: not passed, or a sale that does not meet the four standards.
func Failed(r *event.QAReview) bool {
	return !r.Void && (!r.Passed || r.Sale && !r.StandardsMet)
}

func (p *processor) reviewed(c *ctx, e *event.QAEvent) error {
	r := e.State.GetReview()
	if p.ExtraOneIn < 1 || r == nil || r.PublishedAt == 0 {
		return nil
	}
	w, err := getWatch(c, e.AgentId)
	if err != nil {
		return err
	}
	failed := Failed(r)
	switch {
	case e.Kind == "decided" && !failed && w.FailedReview == r.ReviewId:
		w.Needed, w.FailedReview = 0, "" // an appeal found that it had not failed
	case e.Kind == "decided" && (!failed || w.FailedReview == r.ReviewId || !r.Amended):
		return nil
	case failed:
		w.Needed, w.FailedReview = p.ExtraUntil, r.ReviewId
	case w.Needed > 0:
		if w.Needed--; w.Needed == 0 {
			w.FailedReview = ""
		}
	default:
		return nil
	}
	return putWatch(c, e.AgentId, w)
}

// extraArrives numbers a recording of an agent under extra checks and tells whether it is drawn: as the daily draw does,
// over blocks of the numbers that came under the checks. What comes after the close is not checked extra.
func (p *processor) extraArrives(c *ctx, s *State, row *event.PopulationRow) (bool, error) {
	if p.ExtraOneIn < 1 || s.Closed {
		return false, nil
	}
	w, err := getWatch(c, row.AgentId)
	if err != nil || w.Needed < 1 {
		return false, err
	}
	period, _ := Period(row.Day)
	if exempt, err := p.exempt(c, "extra", row.AgentId, period); err != nil || exempt {
		return false, err
	}
	if s.ExtraValid%p.ExtraOneIn == 0 {
		s.ExtraBlock = nil
	}
	s.ExtraValid++
	s.ExtraBlock = append(s.ExtraBlock, row.Seq)
	row.ExtraSeq = s.ExtraValid
	return Arrive(p.dayKey(row.Day), "extra|"+row.AgentId, row.Day, s.ExtraValid, -1, p.ExtraOneIn), nil
}

func (p *processor) drawExtra(c *ctx, row *event.PopulationRow) *event.QATask {
	return taskOf(c, row, "extra", "extra|"+row.Day+"|"+row.AgentId+"|"+strconv.FormatInt(row.ExtraSeq, 10), fmt.Sprintf("one in %d until %d clean reviews (SMP-03)", p.ExtraOneIn, p.ExtraUntil))
}

func (p *processor) closeExtra(c *ctx, s *State, day, agent string) error {
	if p.ExtraOneIn < 1 || s.ExtraValid == 0 {
		return nil
	}
	n := Close(p.dayKey(day), "extra|"+agent, day, s.ExtraValid, p.ExtraOneIn)
	if n == 0 {
		return nil
	}
	row, err := getRow(c, day, agent, s.ExtraBlock[(n-1)%p.ExtraOneIn])
	if err != nil || row == nil {
		return err
	}
	return p.again(c, row, p.drawExtra(c, row))
}

// Replacement is the nth number of the sequence by which what cannot be heard is replaced, of a day's n recordings.
func Replacement(key []byte, agent, day string, nth, n int64) int64 {
	return Position(key, "replace|"+agent, day, nth, n)
}

// probes bounds how far the sequence of replacements is followed: past it every recording was met but for one chance in
// a million, and there is none that was not drawn.
func probes(n int64) int64 { return 16*n + 64 }

// replace draws another recording of the agent's day in place of one that cannot be heard: the next of the sequence that
// no draw has taken.
func (p *processor) replace(c *ctx, lost *event.QATaskState) error {
	t := lost.GetTask()
	if t == nil || t.Draw == "calibration" || lost.Incident == nil {
		return nil
	}
	key := agentKey + t.Day + "|" + t.AgentId
	s, err := get(c, key)
	if err != nil {
		return err
	}
	r := &event.SamplingReplacement{TaskId: t.TaskId, Day: t.Day, AgentId: t.AgentId, Draw: t.Draw, Seq: t.Seq, Problem: lost.Incident.Problem, Population: s.Valid, Nth: s.NextReplacement, At: c.Now().UnixMilli()}
	for nth := s.NextReplacement; s.Valid > 0 && nth < s.NextReplacement+probes(s.Valid); nth++ {
		row, err := getRow(c, t.Day, t.AgentId, Replacement(p.dayKey(t.Day), t.AgentId, t.Day, nth, s.Valid))
		if err != nil {
			return err
		}
		if row == nil || len(row.Drawn) > 0 {
			continue
		}
		r.ReplacedBy, r.Nth = row.Seq, nth
		s.NextReplacement = nth + 1
		another := taskOf(c, row, "replacement", fmt.Sprintf("replacement|%s|%s|%d", t.Day, t.AgentId, row.Seq), "in place of "+t.TaskId+", "+lost.Incident.Problem+" (RET-01)")
		another.Draw, another.ForRole, another.Period, another.Replaces = t.Draw, t.ForRole, t.Period, t.TaskId
		if err := p.again(c, row, another); err != nil {
			return err
		}
		break
	}
	if err := c.Put(key, s); err != nil {
		return err
	}
	return emit(c, t.AgentId, &event.SamplingFact{Body: &event.SamplingFact_Replacement{Replacement: r}})
}
