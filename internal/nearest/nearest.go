package nearest

import "github.com/agnivade/levenshtein"

// Word returns the known word nearest to the misspelt one, "" when none is near at all.
func Word(word string, known []string) string {
	best, at := "", len(word)/2+2
	for _, k := range known {
		if d := levenshtein.ComputeDistance(word, k); d < at {
			best, at = k, d
		}
	}
	return best
}
