// Package console is the web console: server-rendered pages with small scripts. The overview shows the same panels as
// the Grafana dashboards, from the same definitions, through the same public API (GET /v1/kpi), so whoever has no
// Grafana sees the centre at once. Nothing is loaded from anywhere else: scripts and styles are in the binary.
package console
