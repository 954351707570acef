// Package selfwatch keeps the last hours of this process's own metrics in memory and answers PromQL over them, with
// Prometheus's own engine. So the console shows the pipeline's health where nobody runs a Prometheus, and every panel and
// alert rule means the same in both. It sees one process: on a cluster the dashboards ask a Prometheus that scrapes all.
package selfwatch
