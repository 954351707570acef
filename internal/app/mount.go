package app

import (
	"context"
	"net/http"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/ingest/freeswitch"
	"github.com/ringfence/ringfence/ingest/httpapi"
	"github.com/ringfence/ringfence/ingest/importer"
)

// mount puts the other parts' handlers beside the API's.
func (a *App) mount(ctx context.Context) error {
	a.api.Open("GET /favicon.ico", http.RedirectHandler("/console/static/icon.svg", http.StatusMovedPermanently))
	if err := a.mountAlerts(); err != nil {
		return err
	}
	if a.conn != nil {
		a.api.Handle("POST /v1/caps/simulate", httpapi.Whole(http.HandlerFunc(a.capsSimulate)), "compliance", "supervisor")
		a.api.Handle("GET /v1/kpi", http.HandlerFunc(a.kpiQuery), "supervisor", "compliance", "qa")
		a.api.Handle("GET /v1/sampling/verify", httpapi.Whole(http.HandlerFunc(a.samplingVerify)), "qa", "supervisor", "compliance")
		a.api.Handle("GET /v1/recordings/due", httpapi.Whole(http.HandlerFunc(a.recordingsDue)), "supervisor", "compliance")
		a.api.Handle("GET /v1/recordings/{call_id}", httpapi.Whole(http.HandlerFunc(a.recordingExplain)), "supervisor", "compliance", "qa")
		a.api.Handle("GET /v1/kpi/complaint-table", http.HandlerFunc(a.complaintTable), "supervisor", "compliance", "qa")
		a.api.Handle("POST /v1/kpi/verify", httpapi.Whole(http.HandlerFunc(a.kpiVerify)), "supervisor", "compliance")
		a.api.Handle("GET /v1/reports/{kind}", http.HandlerFunc(a.reports), "supervisor", "compliance")
		a.api.Handle("GET /v1/scores", httpapi.Whole(http.HandlerFunc(a.scores)), "supervisor")
		a.api.Handle("GET /v1/kpi/catalogue", http.HandlerFunc(kpiCatalogue))
		a.mountDashboards(ctx)
	}
	a.mountQA()
	a.api.Handle("POST /v1/caps/audit", httpapi.Whole(http.HandlerFunc(a.capsAudit)), "compliance", "supervisor")
	a.api.Handle("POST /v1/caps/replay", httpapi.Whole(http.HandlerFunc(a.capsReplay)), "compliance", "supervisor")
	marks, err := importer.NewKafkaMarks(append(slices.Clone(a.base), kgo.FetchMaxWait(100_000_000))...)
	if err != nil {
		return err
	}
	a.onClose(func() error { marks.Close(); return nil })
	a.api.Handle("/v1/imports/", importer.MarksHandler(marks, importLetters{a.api}), "ingest")
	return nil
}

// freeSwitchCalls turns what FreeSWITCH posts into calls of the contract.
func freeSwitchCalls(r *http.Request, body []byte) ([][]byte, error) {
	opt := freeswitch.Options{Purpose: r.URL.Query().Get("purpose"), Campaign: r.URL.Query().Get("campaign")}
	if opt.Purpose == "" {
		opt.Purpose = "sales" // as of an import
	}
	rows, err := freeswitch.FromRequest(r, body, opt)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, x := range rows {
		out = append(out, x.JSON)
	}
	return out, nil
}
