package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringfence/ringfence/internal/app"
)

// labelled is an incident of the past that people know of.
type labelled struct {
	subject  string // of any dimension
	from, to time.Time
	found    bool
}

// scored is a replay held against what is known.
type scored struct {
	*app.AlertsReplay
	True   int      `json:"true"`
	False  int      `json:"false"`
	Missed []string `json:"missed"`
	truth  map[*app.ReplayedAlert]bool
}

func alertsReplay(g *globals) *cobra.Command {
	var from, to, incidents, format string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Which alerts would have fired over past data, under another configuration",
		Long: `Go through past calls and complaints as the watch would have, under the complaint: and alerts: sections of a
configuration (without one: those in force), and print the alerts and a chart. Nothing is told to anybody. It replays
spikes of complaints, the rates, dial volume and silent sources; where a campaign was slowed down its volume is not judged.
Stuck agents, deadlines and inbound peaks are not in it.

With --incidents, a CSV file of what really happened (subject,from,to; times in RFC 3339; the subject is a campaign, an
agent, ...), it says which alerts were false and which incidents were missed. An alert belongs to an incident of its
subject that was going on when it fired, or had ended within the day.`,
		Example: "  ringfence alerts replay --from 2026-10-01T00:00:00+08:00\n  ringfence alerts replay --from 2026-10-01T00:00:00+08:00 --config other.yaml --incidents known.csv --url http://127.0.0.1:8080",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var body []byte
			var err error
			if g.config != "" {
				if body, err = os.ReadFile(g.config); err != nil {
					return &exit{2, fmt.Errorf("read the configuration: %w", err)}
				}
			}
			var known []*labelled
			if incidents != "" {
				f, err := os.Open(incidents)
				if err != nil {
					return &exit{2, fmt.Errorf("read the incidents: %w", err)}
				}
				known, err = readIncidents(f)
				_ = f.Close()
				if err != nil {
					return &exit{2, fmt.Errorf("%s: %w", incidents, err)}
				}
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			r := &scored{AlertsReplay: &app.AlertsReplay{}}
			if err := work(cmd.Context(), c, cmd.ErrOrStderr(), "replaying", "/v1/alerts/replay", rangeQuery(from, to), "application/yaml", body, r.AlertsReplay); err != nil {
				return &exit{2, err}
			}
			zone, err := g.zone()
			if err != nil {
				return err
			}
			r.score(known, zone)
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout(), known)
		},
	}
	rangeFlags(cmd, &from, &to)
	cmd.Flags().StringVar(&incidents, "incidents", "", "CSV file of known incidents: subject,from,to")
	formats(cmd, &format, "table", "json")
	return cmd
}

// readIncidents reads subject,from,to with a header line.
func readIncidents(r io.Reader) ([]*labelled, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = 3
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("expected a first line of subject,from,to: %w", err)
	}
	if !slices.Equal(head, []string{"subject", "from", "to"}) {
		return nil, fmt.Errorf("line 1: expected subject,from,to, not %s", strings.Join(head, ","))
	}
	var out []*labelled
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		l := &labelled{subject: row[0]}
		for i, into := range []*time.Time{&l.from, &l.to} {
			if *into, err = time.Parse(time.RFC3339, row[i+1]); err != nil {
				return nil, fmt.Errorf("line %d, %s: %q: expected a time such as 2026-11-01T09:00:00+08:00", line, head[i+1], row[i+1])
			}
		}
		if l.subject == "" || !l.to.After(l.from) {
			return nil, fmt.Errorf("line %d: expected a subject, and a to after its from", line)
		}
		out = append(out, l)
	}
}

// score holds the alerts against what is known; what was missed is named with its time in zone.
func (r *scored) score(known []*labelled, zone *time.Location) {
	r.truth, r.Missed = map[*app.ReplayedAlert]bool{}, []string{}
	for _, a := range r.Alerts {
		about := []string{a.Subject}
		for _, x := range a.Also {
			_, s, _ := strings.Cut(x, " ")
			about = append(about, s)
		}
		for _, l := range known {
			if slices.Contains(about, l.subject) && !a.At.Before(l.from) && a.At.Before(l.to.Add(24*time.Hour)) {
				l.found, r.truth[a] = true, true
			}
		}
		if r.truth[a] {
			r.True++
		} else {
			r.False++
		}
	}
	for _, l := range known {
		if !l.found {
			r.Missed = append(r.Missed, l.subject+" "+l.from.In(zone).Format(time.RFC3339))
		}
	}
	if known == nil {
		r.True, r.False = 0, 0
	}
}

func (r *scored) print(w io.Writer, known []*labelled) error {
	_, _ = fmt.Fprintf(w, "%s to %s: %s, %s", r.From, r.To, several(r.Subjects, "subject"), several(len(r.Alerts), "alert"))
	if known != nil {
		_, _ = fmt.Fprintf(w, "; %d of known incidents, %d false, %s missed", r.True, r.False, several(len(r.Missed), "incident"))
	}
	_, _ = fmt.Fprintln(w)
	for _, a := range r.Alerts {
		mark := ""
		if known != nil && !r.truth[a] {
			mark = "FALSE  "
		}
		until := "going on"
		if a.Until != nil {
			until = "to " + a.Until.Format("2006-01-02 15:04")
		}
		_, _ = fmt.Fprintf(w, "\n%s%s %s  %s, %s %s\n  %s\n", mark, a.At.Format("2006-01-02 15:04"), until, strings.ReplaceAll(a.Kind, "_", " "), a.Dimension, a.Subject, a.Detail)
		if len(a.Also) > 0 {
			_, _ = fmt.Fprintln(w, "  also: "+strings.Join(a.Also, ", "))
		}
	}
	for _, m := range r.Missed {
		_, _ = fmt.Fprintln(w, "\nMISSED "+m)
	}
	r.chart(w)
	return nil
}

// chart is a line of each campaign's complaints by day, with the days of alerts beneath.
func (r *scored) chart(w io.Writer) {
	var days []string
	by := map[string]map[string]int64{}
	most := map[string]int64{}
	for _, d := range r.Days {
		if !slices.Contains(days, d.Day) {
			days = append(days, d.Day)
		}
		if by[d.Campaign] == nil {
			by[d.Campaign] = map[string]int64{}
		}
		by[d.Campaign][d.Day] = d.Complaints
		most[d.Campaign] = max(most[d.Campaign], d.Complaints)
	}
	if len(days) == 0 {
		return
	}
	slices.Sort(days)
	campaigns := make([]string, 0, len(by))
	width := len("complaints a day")
	for c := range by {
		campaigns = append(campaigns, c)
		width = max(width, len([]rune(c)))
	}
	slices.Sort(campaigns)
	_, _ = fmt.Fprintf(w, "\n%-*s  %s to %s; ! = an alert is on\n", width, "complaints a day", days[0], days[len(days)-1])
	levels := []rune(" ▁▂▃▄▅▆▇█")
	for _, c := range campaigns {
		var line, marks strings.Builder
		for _, d := range days {
			level := int64(0)
			if most[c] > 0 {
				level = (by[c][d]*8 + most[c] - 1) / most[c]
			}
			line.WriteRune(levels[level])
			on := " "
			for _, a := range r.Alerts {
				about := a.Dimension == "campaign" && a.Subject == c || slices.Contains(a.Also, "campaign "+c)
				if about && a.At.Format(time.DateOnly) <= d && (a.Until == nil || a.Until.Format(time.DateOnly) >= d) {
					on = "!"
				}
			}
			marks.WriteString(on)
		}
		_, _ = fmt.Fprintf(w, "%-*s  %s  most %d\n", width, c, line.String(), most[c])
		if strings.Contains(marks.String(), "!") {
			_, _ = fmt.Fprintf(w, "%-*s  %s\n", width, "", marks.String())
		}
	}
}
