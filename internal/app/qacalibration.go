package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"

	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/internal/agreement"
	"github.com/ringfence/ringfence/internal/qadesk"
	"github.com/ringfence/ringfence/internal/qarules"
)

// calibrated is what one rater made of a recording.
type calibrated struct {
	Calibration string            `json:"-"`
	Rater       string            `json:"rater"`
	Score       float64           `json:"score"`
	Fatal       bool              `json:"fatal"`
	Answers     map[string]string `json:"answers"` // by checkpoint
}

// pairJSON is how far two raters agree beyond chance; kappa is null where chance alone would make them.
type pairJSON struct {
	A     string   `json:"a"`
	B     string   `json:"b"`
	Same  float64  `json:"same"` // of the checkpoints both answered
	Kappa *float64 `json:"kappa"`
}

// driftJSON is how many points a rater lies above the others on the same recordings.
type driftJSON struct {
	Rater      string   `json:"rater"`
	Points     float64  `json:"points"`
	Error      *float64 `json:"standard_error"` // null with fewer than two recordings
	Recordings int      `json:"recordings"`
}

// Calibration is what GET /v1/qa/calibrations/{id} answers.
type Calibration struct {
	ID       string       `json:"calibration_id"`
	Reviews  []calibrated `json:"reviews"`
	Pairs    []pairJSON   `json:"pairs"`
	Alpha    *float64     `json:"alpha"`    // Krippendorff's, nominal, over the checkpoints
	Disputed []string     `json:"disputed"` // checkpoints that not all answered alike
}

// calibrations reads reviews of one calibration, of all if id is empty.
func (a *App) calibrations(ctx context.Context, id string) ([]calibrated, error) {
	rows, err := a.conn.Query(ctx, "SELECT calibration_id, rater, score, fatal, detail FROM qa_reviews FINAL WHERE calibration_id != '' AND (? = '' OR calibration_id = ?) ORDER BY calibration_id, rater", id, id)
	if err != nil {
		return nil, fmt.Errorf("read the calibration: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []calibrated
	for rows.Next() {
		c := calibrated{Answers: map[string]string{}}
		var detail string
		if err := rows.Scan(&c.Calibration, &c.Rater, &c.Score, &c.Fatal, &detail); err != nil {
			return nil, fmt.Errorf("read the calibration: %w", err)
		}
		var sheet sheetJSON
		if err := json.Unmarshal([]byte(detail), &sheet); err != nil {
			return nil, fmt.Errorf("read the sheet of %s: %w", c.Rater, err)
		}
		for _, x := range sheet.Checks {
			c.Answers[x.ID] = x.Answer
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// agree compares the raters of one recording.
func agree(id string, reviews []calibrated) *Calibration {
	c := &Calibration{ID: id, Reviews: reviews, Pairs: []pairJSON{}, Disputed: []string{}}
	asked := map[string]bool{}
	for i, x := range reviews {
		for q := range x.Answers {
			asked[q] = true
		}
		for _, y := range reviews[i+1:] {
			var p, q []string
			for _, k := range slices.Sorted(maps.Keys(x.Answers)) {
				if v, ok := y.Answers[k]; ok {
					p, q = append(p, x.Answers[k]), append(q, v)
				}
			}
			pair, same := pairJSON{A: x.Rater, B: y.Rater}, 0
			for i := range p {
				if p[i] == q[i] {
					same++
				}
			}
			if len(p) > 0 {
				pair.Same = float64(same) / float64(len(p))
			}
			if k, ok := agreement.Kappa(p, q); ok {
				pair.Kappa = &k
			}
			c.Pairs = append(c.Pairs, pair)
		}
	}
	var units [][]float64
	number := map[string]float64{"yes": 1, "partial": 2, "no": 3, "na": 4} // nominal: which is which does not matter
	for _, q := range slices.Sorted(maps.Keys(asked)) {
		var unit []float64
		differ := false
		for _, x := range reviews {
			if v, ok := x.Answers[q]; ok {
				unit = append(unit, number[v])
				differ = differ || number[v] != unit[0]
			}
		}
		units = append(units, unit)
		if differ {
			c.Disputed = append(c.Disputed, q)
		}
	}
	if alpha, ok := agreement.Alpha(units, agreement.Nominal); ok {
		c.Alpha = &alpha
	}
	return c
}

func (a *App) qaCalibration(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	reviews, err := a.calibrations(r.Context(), id)
	switch {
	case err != nil:
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
	case len(reviews) == 0:
		qaFail(w, &qadesk.Refusal{Code: qarules.NotFound, Detail: "there is no such calibration, or nobody has finished it"})
	default:
		qaAnswer(w, agree(id, reviews))
	}
}

// qaDrift answers GET /v1/qa/drift: how far each rater lies from the others on the recordings they calibrated on.
func (a *App) qaDrift(w http.ResponseWriter, r *http.Request) {
	reviews, err := a.calibrations(r.Context(), "")
	if err != nil {
		httpapi.Problem(w, http.StatusServiceUnavailable, "ClickHouse does not answer", err.Error())
		return
	}
	by := map[string]map[string]float64{}
	for _, x := range reviews {
		if by[x.Calibration] == nil {
			by[x.Calibration] = map[string]float64{}
		}
		by[x.Calibration][x.Rater] = x.Score
	}
	var units []map[string]float64
	for _, id := range slices.Sorted(maps.Keys(by)) {
		units = append(units, by[id])
	}
	out := []driftJSON{}
	for _, d := range agreement.Drifts(units) {
		j := driftJSON{Rater: d.Rater, Points: d.Points, Recordings: d.Units}
		if !math.IsNaN(d.Error) {
			j.Error = &d.Error
		}
		out = append(out, j)
	}
	qaAnswer(w, map[string]any{"raters": out})
}
