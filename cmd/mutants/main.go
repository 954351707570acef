// Command mutants breaks the decision engine, and the forgetting of old calls, on purpose, one way at a time, and checks
// that the oracle, or the twin that never forgets, notices.
//
//	make mutants
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

const dir = "processors/contactcap"

// mutant is one deliberate mistake: the one place in a file where `from` stands is made `to`.
type mutant struct{ what, file, from, to string }

var mutants = []mutant{
	{"a window still holds an event that leaves at this very moment", "decide.go", "case at+shortest(span) > v.now", "case at+shortest(span) >= v.now"},
	{"a window of months still holds an event that leaves at this very moment", "decide.go", "return add(at, r.In.Rolling, v.zone) > v.now", "return add(at, r.In.Rolling, v.zone) >= v.now"},
	{"a window of months is of 28 days each", "decide.go", "case at+longest(span) <= v.now", "case at+shortest(span) <= v.now"},
	{"a gap ends a millisecond late", "decide.go", "				if !evidence && e.At+longest(r.Gap) <= v.now {\n					return // passed long ago\n				}\n				if end := add(e.At, r.Gap, v.zone); end", "				if end := add(e.At, r.Gap, v.zone) + 1; end"},
	{"a gap has passed when it has begun", "decide.go", "if !evidence && e.At+longest(r.Gap) <= v.now", "if !evidence && e.At <= v.now"},
	{"one call more than the limit", "decide.go", "x.deny = x.used >= x.limit", "x.deny = x.used > x.limit"},
	{"rolling for calendar", "decide.go", `calendar := r.Kind == policy.Limit && r.In.Calendar != ""`, "calendar := false"},
	{"the end of a calendar period belongs to it", "decide.go", "e.At >= until", "e.At > until"},
	{"of several products only the first is checked", "decide.go", "	return products\n}\n\n// holds", "	return products[:1]\n}\n\n// holds"},
	{"UTC's midnight for the customer's", "clock.go", "day := floorDiv(localOf(ms, loc), dayMS)\n	t := time.Unix(day*86400, 0).UTC()\n	var a, b", "day := floorDiv(ms, dayMS)\n	t := time.Unix(day*86400, 0).UTC()\n	var a, b"},
	{"weeks begin on Sunday", "clock.go", "-(int(t.Weekday())+6)%7", "-int(t.Weekday())"},
	{"31 January and a month is 3 March", "clock.go", "min(d, lastDay(y, m))", "d"},
	{"a skipped local time is taken with the offset after the change", "clock.go", "return local - prevOffset(from, loc), true, from", "return at, true, from"},
	{"calling hours close a moment late", "clock.go", "tod < o.To", "tod <= o.To"},
	{"calling hours open a moment late", "clock.go", "o.From <= tod", "o.From < tod"},
	{"holidays do not close the day", "clock.go", "	if r.Holidays[day] {\n		return false\n	}\n	tod", "	tod"},
	{"the next opening forgets holidays", "clock.go", "			if r.Holidays[day] {\n				continue\n			}\n", ""},
	{"the centre's time zone for the customer's", "view.go", "v.zone = p.Location(zone)", "v.zone = p.Zone"},
	{"permits that are out are not counted", "view.go", "for i := range v.h.Permits {", "for i := range v.h.Permits[:0] {"},
	{"a permit out is not answered yet", "view.go", "in(f.CampaignIDs, p.Campaign)\n}", "in(f.CampaignIDs, p.Campaign) && f.Answered == nil\n}"},
	{"a call of the same instant is not seen", "view.go", "			if c.At > v.now {\n				break\n			}\n			if scoped(c.Campaign, c.NumberHash, c.Products) && matches", "			if c.At >= v.now {\n				break\n			}\n			if scoped(c.Campaign, c.NumberHash, c.Products) && matches"},
	{"inbound calls count as outbound ones", "view.go", "(f.AnyDirection || in(f.Direction, direction))", "(true || direction == \"\")"},
	{"cleared refusals still count", "view.go", "c.At >= at && slices.Contains(c.ClearRefusals, product)", "c.At < at && slices.Contains(c.ClearRefusals, product)"},
	{"a rejected complaint counts", "view.go", "!c.Rejected && ", ""},
	{"cancelled twice is two cancellations", "view.go", ` && state[p] != "cancelled"`, ""},
	{"nobody gets off a list", "view.go", "on, since = b, Evidence", "on, since = on || b, Evidence"},
	{"the next moment forgets changes that are known already", "next.go", "		see(h.Changes[i].At)\n", ""},
	{"the next moment waits until one call too many has left", "next.go", "leave[over]", "leave[min(over+1, len(leave)-1)]"},
}

// forgetful are mistakes in what is forgotten.
var forgetful = []mutant{
	{"a gap looks back no further than calls are kept anyway", "policy/reach.go", "return span(r.Gap)", "return 0"},
	{"a month that is looked back on has 28 days", "policy/reach.go", "int64(s.Months)*31*dayMS", "int64(s.Months)*28*dayMS"},
	{"a calendar year is looked back on for 300 days", "policy/reach.go", `"year": 368 * dayMS`, `"year": 300 * dayMS`},
	{"windows of milliseconds are not looked back on", "policy/reach.go", "+ s.MS +", "+"},
	{"only the first rule's window is looked back on", "policy/reach.go", "far = max(far, r.Reach())", "if far == 0 {\n\t\t\tfar = r.Reach()\n\t\t}"},
	{"calls are not kept beyond the window, where updates still move them into it", "forget.go", "return t.Policy().Reach() + callsKept.Milliseconds(), true", "return t.Policy().Reach() - 2*24*3600_000, true"},
	{"refusals are forgotten", "forget.go", "c.OptOut || len(c.Refused) > 0", "c.OptOut"},
	{"who wants no calls is forgotten", "forget.go", "c.OptOut || len(c.Refused) > 0", "len(c.Refused) > 0"},
	{"what may never happen again is forgotten", "forget.go", "r.Kind == policy.NeverAfter &&", "r.Kind == policy.NeverAfter && false &&"},
	{"a call that was imported late is forgotten before its update", "forget.go", "due > now {", "due > now && false {"},
	{"nobody knows since when a history is whole", "forget.go", "t.s.Since = max(t.s.Since, c.At+1)", ""},
	{"a history that moves does not say since when it is whole", "move.go", "max(t.s.Since, g.Since)", "t.s.Since"},
	{"a history that moves leaves the number of its attempts behind", "move.go", "t.s.Forgotten+int(g.Forgotten)", "t.s.Forgotten"},
	{"a rule with a longer window is trusted too early", "explain.go", "trusted = add(v.h.Since, r.In.Rolling, v.zone)", "trusted = v.h.Since"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	tmp, err := os.MkdirTemp("", "ringfence-mutants-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	alive := 0
	n := 0
	for _, s := range []struct {
		mutants []mutant
		test    []string
	}{
		{mutants, []string{"-run", "^TestOracle$", "-oracle.cases", "120000"}},
		{forgetful, []string{"-run", "^TestForgettingChangesNothing$", "-rapid.checks", "20000", "-rapid.shrinktime", "1s", "-rapid.nofailfile"}},
	} {
		// The engine as it is must pass; how long that takes says when a mutant is taken to hang.
		caught, clean, err := try(ctx, tmp, mutant{"", "next.go", "package contactcap", "package contactcap"}, s.test, time.Hour)
		if err != nil || caught {
			return fmt.Errorf("the engine itself does not pass (%w)", err)
		}
		limit := 4*clean + time.Minute
		for _, m := range s.mutants {
			n++
			fmt.Fprintf(os.Stderr, "\r%d of %d", n, len(mutants)+len(forgetful))
			caught, took, err := try(ctx, tmp, m, s.test, limit)
			if err != nil {
				return fmt.Errorf("%s: %w", m.what, err)
			}
			verdict := "caught"
			if took >= limit {
				verdict = "caught: it hangs"
			}
			if !caught {
				verdict = "NOT CAUGHT"
				alive++
			}
			_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%.1f s\n", n, m.what, m.file, verdict, took.Seconds())
		}
	}
	fmt.Fprintln(os.Stderr)
	if err := w.Flush(); err != nil {
		return err
	}
	if alive > 0 {
		return fmt.Errorf("%d of %d were not caught", alive, n)
	}
	fmt.Printf("all %d caught\n", n)
	return nil
}

// try runs a test against a mutant.
func try(ctx context.Context, tmp string, m mutant, test []string, limit time.Duration) (caught bool, took time.Duration, err error) {
	file, err := filepath.Abs(filepath.Join(dir, m.file))
	if err != nil {
		return false, 0, err
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return false, 0, err
	}
	if n := strings.Count(string(src), m.from); n != 1 {
		return false, 0, fmt.Errorf("%q stands %d times in %s, not once", m.from, n, m.file)
	}
	patched, overlay := filepath.Join(tmp, filepath.Base(m.file)), filepath.Join(tmp, "overlay.json")
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{file: patched}})
	if err != nil {
		return false, 0, err
	}
	if err := errors.Join(os.WriteFile(patched, []byte(strings.Replace(string(src), m.from, m.to, 1)), 0o600), os.WriteFile(overlay, b, 0o600)); err != nil {
		return false, 0, err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-overlay", overlay, "./" + dir, "-count", "1", "-timeout", limit.String()}, test...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if ctx.Err() != nil {
		return false, 0, ctx.Err()
	}
	if err != nil && !strings.Contains(out.String(), "--- FAIL: Test") && !strings.Contains(out.String(), "test timed out") {
		return false, 0, fmt.Errorf("it does not compile or run:\n%s", out.String())
	}
	return err != nil, time.Since(began), nil
}
