// Package report makes the written reports (REQUIREMENTS J: REP-01, REP-02, REP-04, and the settlement lines of section M):
// what stands in each is data, and every number comes from the metric catalogue. It is pure: answers in, a Report out, and renderings of it as HTML,
// CSV and text. Asking, access and the audit record are internal/app's.
package report
