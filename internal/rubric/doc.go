// Package rubric reads what a recording is judged by, and judges: sections whose weights sum to 100, checkpoints answered
// yes, partial, no or n.a., fatal checkpoints (SCO-14, SCO-15), the four standards of a sale (ELIG-01..04), sentences that
// must not be said, and the tariff of penalties (REQUIREMENTS sections C, G, L). A rubric is data with a version; a review
// keeps the version it was scored with, so that an old score can be computed again.
//
// Score is pure: the same sheet under the same rubric is the same score, in the processor, on the screen and in a test.
package rubric
