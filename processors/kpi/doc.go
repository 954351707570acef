// Package kpi is the metric catalogue: every number ringfence shows is defined here, once (promise 3). A metric is
// data: a numerator and, for a ratio, a denominator, each an aggregate over a source of facts. From it come the SQL of
// the panels and the API, the answers of `ringfence kpi`, docs/metrics.md and the bounds of alerts.
//
//   - catalogue.go: the metrics (METRICS.md, K-01 .. K-37, RET-01, SMP-01, SCO-05)
//   - dimension.go: what a metric may be cut by, and filters
//   - source.go, spans.go: the facts as rows with dimensions; time in states and schedules is cut at bucket borders
//   - sql.go: one statement for any set of metrics
//   - rules.go: the definitions in METRICS' words, targets (K-38), bounds, and why a cut is refused
//   - rollups.go, tiers.go, roller.go: calls as cells, the roll-ups that hold them, which of them answers what, and keeping them
//   - with.go, stand.go: what a panel's statement finds out first, as it chooses its roll-ups for itself
//   - accounts.go, since.go, standing.go: accounts and lists over days: what was last so when, and stocks
//   - complaints.go: complaints by two of their sides (CPL-14)
//   - query.go: asking ClickHouse and shaping the answer (CONTRACT.md section 5)
//
// Calls stand whole at their started_at; intervals are half-open; days begin in the reporting zone. A metric that
// cannot be cut by a dimension says so instead of answering something else.
package kpi
