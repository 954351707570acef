package rubric

import "strconv"

// PassMark is the score from which a review without a fatal has passed (METRICS: qa_pass_rate).
const PassMark = 80

// Answers of a checkpoint.
const (
	Yes     = "yes"
	Partial = "partial"
	No      = "no"
	NA      = "na"
)

// Text is a wording by language ("en", "zh").
type Text map[string]string

// In is the wording in a language, else in English, else any.
func (t Text) In(lang string) string {
	for _, l := range []string{lang, "en", "zh"} {
		if s := t[l]; s != "" {
			return s
		}
	}
	return ""
}

// Rubric is what recordings are judged by.
type Rubric struct {
	Name      string     `yaml:"rubric"`
	Version   int        `yaml:"version"`
	Partial   *float64   `yaml:"partial"` // what "partial" earns, default 0.5
	Sections  []Section  `yaml:"sections"`
	Standards []Standard `yaml:"standards"`
	Taboos    []Taboo    `yaml:"taboos"`
	Tariff    []Tariff   `yaml:"tariff"`
}

// ID is the name by which a sheet says which rubric it follows: name@version.
func (r *Rubric) ID() string { return r.Name + "@" + strconv.Itoa(r.Version) }

// Section of a rubric; the weights of all sum to 100.
type Section struct {
	ID          string       `yaml:"id"`
	Title       Text         `yaml:"title"`
	Weight      float64      `yaml:"weight"`
	Checkpoints []Checkpoint `yaml:"checkpoints"`
}

// Checkpoint is one thing to listen for.
type Checkpoint struct {
	ID      string   `yaml:"id"`
	Title   Text     `yaml:"title"`
	Help    Text     `yaml:"help"`
	Weight  float64  `yaml:"weight"`  // of its section's points, relative to its neighbours; default 1
	Answers []string `yaml:"answers"` // default yes, no, na
	Fatal   bool     `yaml:"fatal"`   // answered no, the whole review is 0 (SCO-14)
	Sale    bool     `yaml:"sale"`    // judged only where a sale was closed
	Source  string   `yaml:"source"`
}

// Standard is one of those that all must hold for a sale to be valid (REQUIREMENTS section C).
type Standard struct {
	ID    string `yaml:"id"`
	Title Text   `yaml:"title"`
	Help  Text   `yaml:"help"`
	Fatal bool   `yaml:"fatal"` // not met, the whole review is 0 as well
}

// Taboo is a sentence that must not be said; each kind heard costs points.
type Taboo struct {
	ID      string  `yaml:"id"`
	Say     Text    `yaml:"say"`
	Instead Text    `yaml:"instead"`
	Points  float64 `yaml:"points"`
}

// Tariff is a penalty in yuan (REQUIREMENTS section L).
type Tariff struct {
	ID     string   `yaml:"id"`
	Title  Text     `yaml:"title"`
	Amount float64  `yaml:"amount"`
	When   []string `yaml:"when"` // fatal, zero, invalid_sale, taboo, or ids that were not met; none = only where the rater says so
	Source string   `yaml:"source"`
}

// conditions a tariff may name beside ids.
var conditions = []string{"fatal", "zero", "invalid_sale", "taboo"}
