package sampling

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Numbered is one valid recording of a day as ClickHouse has it (table sampling_population).
type Numbered struct {
	Agent  string
	Seq    int64
	CallID string
	Late   bool
	Daily  bool // drawn by the daily draw
}

// Published is a day's key as ClickHouse has it (table sampling_keys).
type Published struct {
	SHA256 string // hex
	Key    string // hex; empty until the day is closed
}

// open decodes a revealed key; problem says that it is not the one that was committed to.
func (k Published) open() (secret []byte, problem string, err error) {
	if k.Key == "" {
		return nil, "", ErrOpen
	}
	secret, err = hex.DecodeString(k.Key)
	if sum := sha256.Sum256(secret); err != nil || !strings.EqualFold(hex.EncodeToString(sum[:]), k.SHA256) {
		problem = "the revealed key is not the one whose SHA-256 was published"
	}
	return secret, problem, nil
}

// Report is the result of a verification (CONTRACT.md section 5). Missing and Extra are call ids.
type Report struct {
	Day        string   `json:"day"`
	Population int      `json:"population"`
	Required   int      `json:"required"`
	Drawn      int      `json:"drawn"`
	Missing    []string `json:"missing"`
	Extra      []string `json:"extra"`
	OK         bool     `json:"ok"`
	// Draws are the other draws that end with the day, done again: extra checks, replacements, the week's, the period's.
	Draws []*Redone `json:"draws,omitempty"`
	// Problems say what else is wrong: a key that is not the published one, numbers that do not run 1..N.
	Problems []string `json:"problems,omitempty"`
}

// ErrOpen is returned for a day whose key is not revealed yet: nobody can redo its draw.
var ErrOpen = errors.New("the day is not closed yet: its key is not revealed")

// Verify redoes a day's daily draw from the revealed key and compares (promise 4). valid are the calls of the day that
// have a valid recording, from the calls themselves; each must be in the population.
func Verify(day string, key Published, oneIn int64, population []Numbered, valid []string) (*Report, error) {
	r := &Report{Day: day, Population: len(population), Missing: []string{}, Extra: []string{}}
	if len(population) > 0 && key.Key == "" {
		return nil, ErrOpen
	}
	secret, problem, _ := key.open()
	if key.Key != "" && problem != "" {
		r.Problems = append(r.Problems, problem)
	}
	agents := map[string][]Numbered{}
	inside := map[string]bool{}
	for _, n := range population {
		agents[n.Agent] = append(agents[n.Agent], n)
		inside[n.CallID] = true
	}
	for _, agent := range sorted(agents) {
		r.agent(secret, day, agent, agents[agent], oneIn)
	}
	for _, id := range valid {
		if !inside[id] {
			r.Problems = append(r.Problems, fmt.Sprintf("call %s has a valid recording and is not in the population", id))
		}
	}
	r.OK = len(r.Missing) == 0 && len(r.Extra) == 0 && len(r.Problems) == 0
	return r, nil
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// agent redoes the draw of one agent's day.
func (r *Report) agent(secret []byte, day, agent string, rows []Numbered, oneIn int64) {
	numbers := make([]Number, len(rows))
	for i, n := range rows {
		numbers[i] = Number{Agent: n.Agent, CallID: n.CallID, Seq: n.Seq, Late: n.Late, Drawn: n.Daily}
	}
	d := &Redone{}
	d.redo(secret, agent, day, numbers, oneIn)
	r.Required, r.Drawn = r.Required+d.Required, r.Drawn+d.Drawn
	r.Missing, r.Extra, r.Problems = append(r.Missing, d.Missing...), append(r.Extra, d.Extra...), append(r.Problems, d.Problems...)
}

// Add takes another draw that ends with the day into the report.
func (r *Report) Add(d *Redone) {
	r.Draws = append(r.Draws, d)
	r.OK = r.OK && d.OK
}
