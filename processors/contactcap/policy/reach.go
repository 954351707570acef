package policy

const dayMS = 24 * 3600_000

// Reach is how far back the policy's windows and gaps look, in milliseconds, rounded up generously: a call that is older
// counts under no rule but one that counts for ever (never_after).
func (p *Policy) Reach() int64 {
	var far int64
	for _, r := range p.Rules {
		far = max(far, r.Reach())
	}
	return far
}

// Reach is how far back the rule's window or gap looks, in milliseconds, rounded up to whole days of every time zone.
func (r *Rule) Reach() int64 {
	span := func(s Span) int64 { return int64(s.Months)*31*dayMS + s.MS + 2*dayMS }
	switch {
	case r.Kind == Gap:
		return span(r.Gap)
	case r.Kind != Limit:
		return 0
	case r.In.Calendar != "":
		return map[string]int64{"day": 3 * dayMS, "week": 9 * dayMS, "month": 33 * dayMS, "year": 368 * dayMS}[r.In.Calendar]
	}
	return span(r.In.Rolling)
}
