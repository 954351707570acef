// Package score computes what agents, team leaders and teams are assessed by (REQUIREMENTS G and H): service quality,
// monthly coefficients, the service stars, the elite team and the bottom of the ranking, for the assessment period of the
// 28th to the 27th (PER-01). It is pure: measured figures and what the office enters (Book) in, a Report with every input
// shown out. Wages hang on these numbers, so each of them carries the parts it was made of and the rule that made it.
//
// Where the sources are silent: a part that cannot be measured (nobody answered the survey) is left out and the weights
// of the others are raised in proportion (SCO-01); service quality is never below 0 (SCO-02); a coefficient is actual over
// target (SCO-07); a justified complaint counts in the period in which it is upheld (SCO-05); all who tie with the last
// place of a ranking that rewards are in it.
package score
