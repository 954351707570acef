package complaint

import (
	"slices"

	"github.com/ringfence/ringfence/event"
)

// SLA is when people are told of a complaint that waits.
type SLA struct {
	WarnMS     int64 // so long before a deadline its owner is told
	EscalateMS int64 // so long after it the head of the department is
}

// Deadline is one a complaint has.
type Deadline struct {
	Rule string
	What string // reply | resolution
	At   int64
}

// Levels of escalation.
const (
	LevelOwner = iota + 1
	LevelLeader
	LevelHead
)

func levelName(l int32) string {
	return []string{"", "owner", "team_leader", "department_head"}[l]
}

// Deadlines are the ones a complaint has not met, earliest first: urgent ones are replied to within 24 h and all within 48
// (CPL-01), what a person can handle himself within 12 h and resolved within 24 (CPL-02), what another department must do
// is resolved within 24 h (CPL-03), what needs the network rebuilt is replied to within 48 (CPL-04). They count from the
// receipt, by the wall clock.
func Deadlines(c *event.WatchCase) []Deadline {
	var out []Deadline
	due := func(rule, what string, hours int64) {
		if c.ClosedAt == 0 && (what != "reply" || c.RepliedAt == 0) {
			out = append(out, Deadline{rule, what, c.OpenedAt + hours*hourMS})
		}
	}
	if c.Severity == "urgent" || c.Severity == "serious" {
		due("CPL-01", "reply", 24)
	}
	switch c.Handling {
	case "self":
		due("CPL-02", "reply", 12)
		due("CPL-02", "resolution", 24)
	case "department":
		due("CPL-01", "reply", 48)
		due("CPL-03", "resolution", 24)
	case "network":
		due("CPL-04", "reply", 48)
	default:
		due("CPL-01", "reply", 48)
	}
	slices.SortStableFunc(out, func(a, b Deadline) int { return int(min(1, max(-1, a.At-b.At))) })
	return out
}

// Escalation says who must know by now, over which deadline, and when to look again (0 = never). A serious or urgent
// complaint is the department head's as soon as its deadline has passed (CPL-08).
func (s SLA) Escalation(c *event.WatchCase, now int64) (level int32, d Deadline, next int64) {
	for _, x := range Deadlines(c) {
		head := x.At + s.EscalateMS
		if c.Severity == "urgent" || c.Severity == "serious" {
			head = x.At
		}
		for _, step := range []struct {
			at    int64
			level int32
		}{{x.At - s.WarnMS, LevelOwner}, {x.At, LevelLeader}, {head, LevelHead}} {
			if step.at > now {
				if next == 0 || step.at < next {
					next = step.at
				}
			} else if step.level > level {
				level, d = step.level, x
			}
		}
	}
	return level, d, next
}
