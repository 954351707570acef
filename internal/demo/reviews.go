package demo

import (
	"slices"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/rubric"
)

// Assumed: how often a rater finds fault. Some agents are twice as good as others.
const (
	faultRate    = 0.07
	fatalRate    = 0.012 // with what makes the whole review zero, and with the standards of a sale
	tabooRate    = 0.03  // of reviews
	partialShare = 0.5   // of faults, where the rubric has "partial"
)

// Sheet is what one of the centre's raters notes of a recording: the same for the same call.
func Sheet(r *rubric.Rubric, t *event.QATask) *event.QASheet {
	w := &world{seed: reviewSeed}
	dice := w.rng("review", t.CallId)
	habit := 0.5 + w.rng("habit", t.AgentId).Float64()
	s := &event.QASheet{Rubric: r.ID(), Sale: t.Sale}
	answer := func(id, a string) { s.Checks = append(s.Checks, &event.QACheck{Id: id, Answer: a}) }
	for _, sec := range r.Sections {
		for _, c := range sec.Checkpoints {
			rate := faultRate * habit
			if c.Fatal {
				rate = fatalRate * habit
			}
			a := rubric.Yes
			if dice.Float64() < rate {
				a = rubric.No
				if dice.Float64() < partialShare && slices.Contains(c.Answers, rubric.Partial) {
					a = rubric.Partial
				}
			}
			if !c.Sale || t.Sale {
				answer(c.ID, a)
			}
		}
	}
	for _, x := range r.Standards {
		a := rubric.Yes
		if dice.Float64() < fatalRate*habit {
			a = rubric.No
		}
		if t.Sale {
			answer(x.ID, a)
		}
	}
	if len(r.Taboos) > 0 && dice.Float64() < tabooRate {
		answer(r.Taboos[dice.IntN(len(r.Taboos))].ID, rubric.Yes)
	}
	return s
}

const reviewSeed = 2026
