package console

import (
	"html/template"

	"github.com/ringfence/ringfence/internal/rubric"
)

// question is one line of the sheet: what is asked, and what may be answered.
type question struct {
	ID, Title, Help     string
	Answers             []answerChoice
	Answer, Note        string
	NoteWord, FatalWord string
	Fatal, Sale         bool
	Taboo               bool // yes is the bad answer
	Editing             bool
}

// Said is the answer in words, "" without one.
func (q question) Said() string {
	for _, a := range q.Answers {
		if a.Value == q.Answer {
			return a.Word
		}
	}
	return ""
}

// Good and Bad tell what the answer means for the agent.
func (q question) Good() bool {
	return q.Answer == rubric.Yes && !q.Taboo || q.Answer == rubric.No && q.Taboo
}

// Bad is the opposite; partly and not applicable are neither.
func (q question) Bad() bool {
	return q.Answer == rubric.No && !q.Taboo || q.Answer == rubric.Yes && q.Taboo
}

type answerChoice struct{ Value, Word string }

// questions are the functions that make them, in one language of the pages.
func (l *locale) questions() template.FuncMap {
	make := func(d *reviewData, id, title, help string, answers []string) (question, error) {
		q := question{ID: id, Title: title, Help: help, Answer: d.Answers[id], Note: d.Notes[id], Editing: d.Enters()}
		for _, a := range answers {
			q.Answers = append(q.Answers, answerChoice{a, l.word("answer", a)})
		}
		var err error
		if q.NoteWord, err = l.text("review.note"); err == nil {
			q.FatalWord, err = l.text("review.fatal")
		}
		return q, err
	}
	return template.FuncMap{
		"list": func(x ...string) []string { return x },
		"checkpoint": func(d *reviewData, c rubric.Checkpoint, lang string) (question, error) {
			q, err := make(d, c.ID, c.Title.In(lang), c.Help.In(lang), c.Answers)
			q.Fatal, q.Sale = c.Fatal, c.Sale
			return q, err
		},
		"standard": func(d *reviewData, s rubric.Standard, lang string) (question, error) {
			q, err := make(d, s.ID, s.ID+" "+s.Title.In(lang), s.Help.In(lang), []string{rubric.Yes, rubric.No})
			q.Fatal, q.Sale = s.Fatal, true
			return q, err
		},
		"taboo": func(d *reviewData, t rubric.Taboo, lang string) (question, error) {
			q, err := make(d, t.ID, "“"+t.Say.In(lang)+"”", "", []string{rubric.Yes, rubric.No})
			q.Taboo = true
			return q, err
		},
	}
}
