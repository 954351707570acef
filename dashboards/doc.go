// Package dashboards holds every dashboard as code. A dashboard is rows of panels in a small layout grammar of our own:
// headline stats, trends, breakdowns, funnels and listings. A panel names metrics of the catalogue; their SQL, unit,
// meaning, source and target come from there (promise 3). One model has two renderers: Grafana's JSON (grafana*.go) and
// the console's pages, which ask for the same panels.
//
//   - model.go, grammar.go: what a dashboard is made of, and the words it is written with
//   - overview.go, campaign.go, ...: one file a dashboard; its reader's questions stand at the top
//   - listing.go: rows behind the numbers (calls, denials, complaints), which are no metrics
//   - query.go, expand.go: a panel's query with Grafana's macros, and what Grafana makes of them
//   - grafana.go, push.go: export and push
//
// Uids, panel ids and bytes are the same at every export: an id is derived from what the panel shows.
package dashboards
