// Package dashboards holds every dashboard as code: a small layout grammar of our own (rows of headline stats, trends,
// breakdowns and tables over metrics of the catalogue), rendered to Grafana by the foundation SDK and to the console's
// own pages. A panel names metrics; their SQL, unit and meaning come from the catalogue (promise 3).
package dashboards
