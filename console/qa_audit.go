package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/agreement"
	"github.com/ringfence/ringfence/internal/identity"
)

// sampledDay is a day of the draw.
type sampledDay struct {
	Day               time.Time
	Agents            uint64
	Valid, Due, Drawn uint64
	Late              uint64
	SHA256, Key       string
	Published         time.Time
	Revealed          *time.Time
}

type samplingData struct {
	Days     []sampledDay
	Day      string
	Report   any
	Failed   bool // the day could not be drawn again now
	Verified bool
	OneIn    int
}

// sampling shows the draw of each day: its population, its sample, its key, and lets anybody redo it.
func (c *console) sampling(w http.ResponseWriter, r *http.Request, u *identity.User) {
	var d samplingData
	cond, args := confined(u)
	var err error
	d.Days, err = collect(r.Context(), c, "the draws", func(scan func(...any) error, x *sampledDay) error {
		return scan(&x.Day, &x.Agents, &x.Valid, &x.Due, &x.Drawn, &x.Late, &x.SHA256, &x.Key, &x.Published, &x.Revealed)
	}, `SELECT p.day, p.agents, p.valid, p.due, p.drawn, p.late, k.sha, k.key, k.published, k.revealed FROM
		(SELECT day, count() AS agents, sum(n) AS valid, sum(need) AS due, sum(hit) AS drawn, sum(late_n) AS late FROM
			(SELECT day, agent_id, count() AS n, toUInt64(intDiv(count() + ? - 1, ?)) AS need, countIf(has(drawn, 'daily')) AS hit, countIf(late) AS late_n FROM sampling_population FINAL WHERE `+cond+` GROUP BY day, agent_id)
			GROUP BY day ORDER BY day DESC LIMIT 60) AS p
		LEFT JOIN (SELECT day, any(key_sha256) AS sha, max(key) AS key, min(published_at) AS published, max(revealed_at) AS revealed FROM sampling_keys FINAL GROUP BY day) AS k ON k.day = p.day
		ORDER BY p.day DESC`, append([]any{c.opt.OneIn, c.opt.OneIn}, args...)...)
	if err != nil {
		c.broken(w, r, err)
		return
	}
	d.OneIn = c.opt.OneIn
	if day := r.URL.Query().Get("day"); day != "" {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			c.fail(w, r, http.StatusBadRequest, "")
			return
		}
		d.Day = day
		if u.PartnerID != "" { // the draw of a day is of all partners
			c.denied(w, r, u, "the whole day's draw is not one partner's")
			return
		}
		if d.Report, err = c.opt.QA.VerifyDay(r.Context(), day); err != nil {
			c.opt.Logger.Error("a day's draw cannot be done again", "day", day, "error", err)
			d.Failed = true
		}
	}
	c.show(w, r, http.StatusOK, "sampling", "nav.sampling", d)
}

// calibrationUnit is one recording that several raters heard.
type calibrationUnit struct {
	ID, Call, Agent string
	Started         time.Time
	Raters          []string
	Scores          []float64
	Spread          float64
}

type calibrationData struct {
	Mine    []*event.QATaskState
	Units   []calibrationUnit
	Alpha   float64
	AlphaOK bool
	Drifts  []agreement.Drift
	Leads   bool
	Problem string
	Command string
}

type calibrationRow struct {
	ID, Call, Agent, Rater string
	Started                time.Time
	Score                  float64
}

func (c *console) calibration(w http.ResponseWriter, r *http.Request, u *identity.User) {
	c.showCalibration(w, r, u, http.StatusOK, "")
}

func (c *console) showCalibration(w http.ResponseWriter, r *http.Request, u *identity.User, status int, problem string) {
	d := calibrationData{Leads: u.Is(leaders...), Problem: problem, Command: uuid.NewString()}
	for _, s := range c.opt.QA.Desk.Mine(actor(u)) {
		if s.CalibrationId != "" {
			d.Mine = append(d.Mine, s)
		}
	}
	if d.Leads { // who is to score does not see what the others scored
		cond, args := confined(u)
		rows, err := collect(r.Context(), c, "the calibrations", func(scan func(...any) error, x *calibrationRow) error {
			return scan(&x.ID, &x.Call, &x.Agent, &x.Rater, &x.Started, &x.Score)
		}, "SELECT calibration_id, call_id, agent_id, rater, call_started_at, score FROM qa_reviews FINAL WHERE calibration_id != '' AND "+cond+" ORDER BY call_started_at DESC, calibration_id, rater LIMIT 2000", args...)
		if err != nil {
			c.broken(w, r, err)
			return
		}
		d.fill(rows)
	}
	c.show(w, r, status, "calibration", "nav.calibration", d)
}

func (d *calibrationData) fill(rows []calibrationRow) {
	var scores [][]float64
	var by []map[string]float64
	for _, x := range rows {
		n := len(d.Units)
		if n == 0 || d.Units[n-1].ID != x.ID {
			d.Units = append(d.Units, calibrationUnit{ID: x.ID, Call: x.Call, Agent: x.Agent, Started: x.Started})
			scores, by, n = append(scores, nil), append(by, map[string]float64{}), n+1
		}
		unit := &d.Units[n-1]
		unit.Raters, unit.Scores = append(unit.Raters, x.Rater), append(unit.Scores, x.Score)
		unit.Spread = slices.Max(unit.Scores) - slices.Min(unit.Scores)
		scores[n-1] = append(scores[n-1], x.Score)
		by[n-1][x.Rater] = x.Score
	}
	d.Alpha, d.AlphaOK = agreement.Alpha(scores, agreement.Interval)
	d.Drifts = agreement.Drifts(by)
}

// calibrate gives one recording to several raters.
func (c *console) calibrate(w http.ResponseWriter, r *http.Request, u *identity.User) {
	call := strings.TrimSpace(r.PostFormValue("call"))
	var names []string
	for _, n := range strings.FieldsFunc(r.PostFormValue("raters"), func(x rune) bool { return x == ',' || x == ' ' || x == '，' || x == '、' || x == '\n' }) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if call == "" || len(names) < 2 || len(names) > 20 {
		c.showCalibration(w, r, u, http.StatusUnprocessableEntity, errCall.Error())
		return
	}
	task, err := c.opt.QA.CalibrationTask(r.Context(), call, "")
	if err == nil && u.PartnerID != "" && task.PartnerId != u.PartnerID {
		c.denied(w, r, u, "the call is another partner's")
		return
	}
	if err == nil {
		err = c.opt.QA.Desk.Calibrate(r.Context(), actor(u), &event.QACalibrate{CalibrationId: uuid.NewString(), Task: task, Raters: names})
	}
	if err != nil {
		c.refused(w, r, u, err)
		return
	}
	http.Redirect(w, r, "/console/calibration", http.StatusSeeOther)
}
