package score

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/goccy/go-yaml"
)

// Targets of a full month of one agent. A target of 0 is not set: its coefficient is left out.
type Targets struct {
	Visits         float64 `yaml:"visits" json:"visits"`                   // successful visits (K-37)
	Orders         float64 `yaml:"orders" json:"orders"`                   // successful orders (K-37)
	ServiceQuality float64 `yaml:"service_quality" json:"service_quality"` // points, 0..100
	Exam           float64 `yaml:"exam" json:"exam"`                       // points, 0..100
}

// Agent is what the office enters about one agent for the period. Ratings are coefficients, 1 = as expected.
type Agent struct {
	Team           string   `yaml:"team"`
	Leader         bool     `yaml:"leader"`          // leads the team: assessed by it (SCO-08)
	Exam           *float64 `yaml:"exam"`            // business exam, points
	Superior       *float64 `yaml:"superior"`        // rating by the superior
	TeamLeader     *float64 `yaml:"team_leader"`     // ratings for the service star (SCO-10)
	OpsSupervisor  *float64 `yaml:"ops_supervisor"`  //
	OfficeManager  *float64 `yaml:"office_manager"`  //
	LeaveDays      float64  `yaml:"leave_days"`      // paid leave (PER-06)
	SecondedHours  float64  `yaml:"seconded_hours"`  // seconded elsewhere; 7 hours are a day (PER-07)
	ProductionDays *float64 `yaml:"production_days"` // absent: as measured
	Pregnant       bool     `yaml:"pregnant"`        // targets of 85 % (PER-08)
	Exempt         bool     `yaml:"exempt"`          // free from QA this period (SMP-06, SCO-04)
	Weight         *float64 `yaml:"weight"`          // in the team's mean (SCO-09), default 1
	Targets        *Targets `yaml:"targets"`         // of this agent alone
}

// Team is what the office enters about a team.
type Team struct {
	Superior       *float64 `yaml:"superior"`        // rating of the leader by the superior (SCO-08)
	OpsSupervisor  *float64 `yaml:"ops_supervisor"`  // ratings for the elite team (SCO-11)
	OfficeManager  *float64 `yaml:"office_manager"`  //
	MajorComplaint bool     `yaml:"major_complaint"` // excludes it (SCO-11)
}

// Book is what cannot be measured: the office's file for a period.
type Book struct {
	Targets    Targets          `yaml:"targets"`
	Teams      map[string]Team  `yaml:"teams"`
	Agents     map[string]Agent `yaml:"agents"`
	Stars      int              `yaml:"stars"`       // service stars a period, default 4
	BottomRate float64          `yaml:"bottom_rate"` // default 0.03
}

// DefaultBook has no targets: every coefficient that needs one is left out.
func DefaultBook() *Book { return &Book{Stars: 4, BottomRate: 0.03} }

// LoadBook reads the office's file; an unknown key or a wrong type is an error with its place.
func LoadBook(file string) (*Book, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the scores' file: %w", err)
	}
	return ParseBook(file, src)
}

// ParseBook is LoadBook on text.
func ParseBook(file string, src []byte) (*Book, error) {
	b := DefaultBook()
	if err := yaml.NewDecoder(bytes.NewReader(src), yaml.Strict()).Decode(b); err != nil && len(bytes.TrimSpace(src)) > 0 {
		return nil, fmt.Errorf("%s: %s", file, yaml.FormatError(err, false, true))
	}
	for id, a := range b.Agents {
		if a.LeaveDays < 0 || a.SecondedHours < 0 || a.ProductionDays != nil && *a.ProductionDays < 0 {
			return nil, fmt.Errorf("%s: agents.%s: days and hours cannot be negative", file, id)
		}
		if a.Exam != nil && (*a.Exam < 0 || *a.Exam > 100) {
			return nil, fmt.Errorf("%s: agents.%s.exam: %v is not between 0 and 100", file, id, *a.Exam)
		}
	}
	if b.Stars < 0 || b.BottomRate < 0 || b.BottomRate > 1 {
		return nil, fmt.Errorf("%s: stars must not be negative, bottom_rate is a fraction", file)
	}
	return b, nil
}

// Period is an assessment period (PER-01): [From, To) in the centre's zone, named by the month in which it ends.
type Period struct {
	Name     string
	From, To time.Time
}

// ParsePeriod reads YYYY-MM.
func ParsePeriod(name string, zone *time.Location) (Period, error) {
	m, err := time.ParseInLocation("2006-01", name, zone)
	if err != nil {
		return Period{}, fmt.Errorf("%q is not a period: expected the month in which it ends, such as 2026-11", name)
	}
	return Period{name, time.Date(m.Year(), m.Month()-1, 28, 0, 0, 0, 0, zone), time.Date(m.Year(), m.Month(), 28, 0, 0, 0, 0, zone)}, nil
}

// PeriodOf is the period a moment lies in.
func PeriodOf(t time.Time) Period {
	end := time.Date(t.Year(), t.Month(), 28, 0, 0, 0, 0, t.Location())
	if !t.Before(end) {
		end = time.Date(t.Year(), t.Month()+1, 28, 0, 0, 0, 0, t.Location())
	}
	return Period{end.Format("2006-01"), time.Date(end.Year(), end.Month()-1, 28, 0, 0, 0, 0, t.Location()), end}
}
