package sampling

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// An adversary is an agent who handles some of his calls badly and chooses which. He knows everything but the day's key:
// the algorithm, his numbers, all keys and draws of days before. He does not see which of today's were drawn.
type adversary struct {
	name string
	// bad tells whether he handles number seq of today badly; past holds the numbers drawn on each day before.
	bad func(rnd *rand.Rand, seq int64, past [][]int64) bool
}

// drawnOf an agent's day of n recordings.
func drawnOf(secret []byte, agent, day string, n int64) (out []int64) {
	key := DayKey(secret, day)
	last := Close(key, agent, day, n, 10)
	for seq := int64(1); seq <= n; seq++ {
		if seq == last || Arrive(key, agent, day, seq, -1, 10) {
			out = append(out, seq)
		}
	}
	return out
}

// Whatever he chooses by, one in ten of his bad calls is heard: no strategy is better than chance by more than chance.
func TestNoStrategyIsBetterThanChance(t *testing.T) {
	contains := func(list []int64, x int64) bool {
		for _, v := range list {
			if v == x {
				return true
			}
		}
		return false
	}
	strategies := []adversary{
		{"the first of each ten", func(_ *rand.Rand, seq int64, _ [][]int64) bool { return (seq-1)%10 == 0 }},
		{"the last of each ten", func(_ *rand.Rand, seq int64, _ [][]int64) bool { return (seq-1)%10 == 9 }},
		{"the afternoon", func(_ *rand.Rand, seq int64, _ [][]int64) bool { return seq > 80 }},
		{"at random", func(rnd *rand.Rand, _ int64, _ [][]int64) bool { return rnd.IntN(4) == 0 }},
		{"what was not drawn yesterday", func(_ *rand.Rand, seq int64, past [][]int64) bool {
			return len(past) > 0 && !contains(past[len(past)-1], seq) && seq%3 == 0
		}},
		{"what was drawn yesterday", func(_ *rand.Rand, seq int64, past [][]int64) bool {
			return len(past) > 0 && contains(past[len(past)-1], seq)
		}},
		{"the place drawn least often so far", func(_ *rand.Rand, seq int64, past [][]int64) bool {
			var count [10]int
			for _, day := range past {
				for _, x := range day {
					count[(x-1)%10]++
				}
			}
			least := 0
			for i, c := range count {
				if c < count[least] {
					least = i
				}
			}
			return (seq-1)%10 == int64(least)
		}},
		{"after three days without it, the same place", func(_ *rand.Rand, seq int64, past [][]int64) bool {
			return len(past) >= 3 && !contains(past[len(past)-1], seq) && !contains(past[len(past)-2], seq) && !contains(past[len(past)-3], seq)
		}},
	}
	const days, n = 300, 160
	secret := []byte("what the agent does not know")
	for _, s := range strategies {
		rnd := rand.New(rand.NewPCG(1, 2))
		var past [][]int64
		bad, heard := 0, 0
		for d := range days {
			day := fmt.Sprintf("day %d", d)
			drawn := drawnOf(secret, "agent", day, n)
			for seq := int64(1); seq <= n; seq++ {
				if s.bad(rnd, seq, past) {
					bad++
					if contains(drawn, seq) {
						heard++
					}
				}
			}
			past = append(past, drawn)
		}
		rate := float64(heard) / float64(bad)
		sigma := math.Sqrt(0.1 * 0.9 / float64(bad))
		t.Logf("%-45s %6d bad calls, %.2f %% heard (chance: 10 %% +- %.2f)", s.name, bad, 100*rate, 100*sigma)
		if math.Abs(rate-0.1) > 4*sigma {
			t.Errorf("%s: %.2f %% of %d bad calls are heard", s.name, 100*rate, bad)
		}
	}
}

// Who sees today's draws as they happen does better: after its block's draw he is safe. That is why a task is shown to
// raters only, and a review is published after the day; and why the week's and the period's draw go on beside it.
func TestWhoSeesTheQueueDoesBetter(t *testing.T) {
	secret := []byte("what the agent does not know")
	bad, heard, weekly := 0, 0, 0
	var week int64
	for d := range 300 {
		day, end := fmt.Sprintf("day %d", d), fmt.Sprintf("week %d", d/7)
		if d%7 == 0 {
			week = 0
		}
		drawn := map[int64]bool{}
		for _, seq := range drawnOf(secret, "agent", day, 160) {
			drawn[seq] = true
		}
		seen := int64(-1) // the block whose draw he saw
		for seq := int64(1); seq <= 160; seq++ {
			week++
			if seen == (seq-1)/10 {
				bad++
				if drawn[seq] {
					heard++
				}
				if Arrive(DayKey(secret, end), "weekly|agent", end, week, -1, 20) {
					weekly++
				}
			}
			if drawn[seq] {
				seen = (seq - 1) / 10
			}
		}
	}
	sigma := math.Sqrt(0.05 * 0.95 / float64(bad))
	if rate := float64(weekly) / float64(bad); heard != 0 || math.Abs(rate-0.05) > 4*sigma {
		t.Errorf("%d of %d heard daily, %.2f %% weekly: want none and 5 %%", heard, bad, 100*rate)
	}
}
