package importer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const head16 = `"c","1","13800138000","x","","SIP/a-1","SIP/b-1","Dial","","2026-01-02 10:00:00","2026-01-02 10:00:05","2026-01-02 10:01:00",60,55,"ANSWERED","DOCUMENTATION"`

func TestBadInput(t *testing.T) {
	const line = `{"call_id":"a","customer_id":"x","purpose":"sales","started_at":"2026-01-01T10:00:00Z","ended_at":"2026-01-01T10:01:00Z","outcome":"no_answer"}`
	table := "call_id,customer_id,purpose,started_at,ended_at,outcome,strategy\n"
	row := func(id, note string) string {
		return id + ",x,sales,2026-01-01 10:00:00,2026-01-01 10:01:00,busy," + note
	}
	for _, c := range []struct {
		name, format, content string
		want                  Counts
		lines                 []int
	}{
		{"empty csv", "csv", "", Counts{}, nil},
		{"empty cdr", "asterisk-cdr", "", Counts{}, nil},
		{"empty log", "asterisk-queue-log", "", Counts{}, nil},
		{"empty json", "freeswitch-json", "", Counts{}, nil},
		{"empty xml", "freeswitch-xml", "", Counts{}, nil},
		{"broken quote", "csv", table + row("a", "") + "\n" + row("b", `"open`) + "\n" + row("c", "") + "\n", Counts{3, 2, 0, 1}, []int{3}},
		{"stray quote", "csv", table + row("b", `a"b`) + "\n" + row("c", "") + "\n", Counts{2, 1, 0, 1}, []int{2}},
		{"two lines in quotes", "csv", table + row("b", "\"a\nb\"") + "\n" + row("c", "") + "\n", Counts{2, 2, 0, 0}, nil},
		{"carriage returns", "csv", strings.ReplaceAll(table+row("a", "")+"\n"+row("b", "")+"\n", "\n", "\r"), Counts{2, 2, 0, 0}, nil},
		{"latin-1 and a mark", "csv", "\xef\xbb\xbf" + table + row("a", "M\xfcller") + "\n", Counts{1, 1, 0, 0}, nil},
		{"no last newline", "csv", table + row("a", "n"), Counts{1, 1, 0, 0}, nil},
		{"cut", "csv", table + row("a", "") + "\nb,x,sal", Counts{2, 1, 0, 1}, []int{3}},
		{"bad value", "csv", table + row("a", "") + "\n" + strings.Replace(row("b", ""), "busy", "bussy", 1) + "\n", Counts{2, 1, 0, 1}, []int{3}},
		{"jsonl", "jsonl", line + "\n{\"call_id\"\n\n" + line, Counts{3, 2, 0, 1}, []int{2}},
		{"jsonl of another kind", "jsonl", `{"kind":"agent-states","agent_id":"a","state":"available","at":"2026-01-01T10:00:00Z"}`, Counts{1, 1, 0, 0}, nil},
		{"sixteen columns", "asterisk-cdr", head16 + "\n" + head16 + `,"1.2"` + "\n", Counts{2, 2, 0, 0}, nil},
		{"broken cdr", "asterisk-cdr", head16 + ",\"1.2\n" + head16 + "\nx,y\n", Counts{3, 1, 0, 2}, []int{1, 3}},
		{"queue_log", "asterisk-queue-log", "1795285403|MANAGER|sales|PJSIP/agent203|ADDMEMBER|\n1795285407|rig1|sales|Agent 203|CONN\n17952|x\n1795285409|x|sales|Agent 203|CON", Counts{4, 1, 1, 2}, []int{3, 4}},
		{"broken xml", "freeswitch-xml", "<cdr><variables></cdr>\n<cdr>", Counts{2, 0, 0, 2}, []int{1, 2}},
		{"broken json", "freeswitch-json", "{\"variables\":\n{]", Counts{2, 0, 0, 2}, []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSystem(t)
			rep := s.run(c.format, write(t, filepath.Join(t.TempDir(), "f"), c.content))
			var lines []int
			for _, e := range rep.Files[0].Errors {
				lines = append(lines, e.Line)
			}
			if d := cmp.Diff(c.want, rep.Counts) + cmp.Diff(c.lines, lines); d != "" {
				t.Errorf("%s\n%+v", d, rep.Files[0].Errors)
			}
			if want := min(c.want.Rejected, 1); int64(rep.ExitCode()) != want {
				t.Errorf("exit code %d, want %d", rep.ExitCode(), want)
			}
		})
	}
}

func TestCannotRun(t *testing.T) {
	s := newSystem(t)
	dir := t.TempDir()
	for _, o := range []Options{
		{Format: "csv", Paths: []string{dir}}, {Format: "csv", Paths: []string{filepath.Join(dir, "none")}},
		{Format: "xls", Paths: []string{dir}}, {Format: "csv"},
	} {
		o.Sink = s
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%+v ran", o)
		}
	}
}

// What a user writes for a table of his own.
func TestMapping(t *testing.T) {
	dir := t.TempDir()
	m := write(t, filepath.Join(dir, "map.yaml"), `
delimiter: ";"
time: {layout: "02/01/2006 15:04:05", zone: Europe/Moscow}
constants: {purpose: survey}
columns:
  call_id: id
  number: 2
  started_at: begun
  ended_at: over
  outcome: {column: result, values: {OK: answered, "*": no_answer}}
  campaign_id: {column: note, match: "camp=(\\w+)"}
`)
	p := write(t, filepath.Join(dir, "f.csv"), "id;phone;begun;over;result;note\r17;+8613800138000;05/01/2026 10:00:00;05/01/2026 10:01:00;OK;camp=a1 x\r")
	s := newSystem(t)
	rep, err := Run(context.Background(), Options{Format: "csv", Paths: []string{p}, Map: m, Sink: s})
	if err != nil || rep.Accepted != 1 {
		t.Fatalf("%v %+v", err, rep)
	}
	c := s.calls["17"]
	if c["started_at"] != "2026-01-05T10:00:00.000+03:00" || c["campaign_id"] != "a1" || c["outcome"] != "answered" || c["purpose"] != "survey" {
		t.Errorf("%+v", c)
	}
}

// A busy system is waited for; marks and the dead letter go over HTTP as well.
func TestHTTP(t *testing.T) {
	s := newSystem(t)
	busy := 1
	mux := http.NewServeMux()
	mux.Handle("/v1/imports/", MarksHandler(s, s))
	mux.HandleFunc("POST /v1/calls", func(w http.ResponseWriter, r *http.Request) {
		if busy > 0 {
			busy--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b, _ := body(w, r)
		if n := strings.Count(string(b), "\n"); n != 54 {
			t.Errorf("%d lines", n)
		}
		_, _ = w.Write([]byte(`{"accepted":53,"rejected":[{"line":2,"pointer":"/x","detail":"no"}]}`))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	h := &HTTP{Base: srv.URL, Client: srv.Client()}
	opt := Options{Format: "asterisk-cdr", Paths: []string{run22 + "Master.csv"}, Sink: h, Marks: h, DeadLetter: h}
	rep, err := Run(context.Background(), opt)
	if err != nil || rep.Rejected == 0 || rep.ExitCode() != 1 {
		t.Fatalf("%v %+v", err, rep)
	}
	if rep, err = Run(context.Background(), opt); err != nil || rep.Skipped != 119 {
		t.Fatalf("again: %v %+v", err, rep.Counts)
	}
}

// Files of others, where they are at hand.
func TestThirdParty(t *testing.T) {
	const root = "../../../shared/data/"
	if _, err := os.Stat(root); err != nil {
		t.Skip("no third-party files here")
	}
	for format, pattern := range map[string]string{"asterisk-cdr": "asterisk_cdr_csv/*.csv", "freeswitch-xml": "freeswitch_xml_cdr/*.xml"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			s := newSystem(t)
			rep := s.run(format, f)
			t.Logf("%s: %+v, %d calls %v", filepath.Base(f), rep.Counts, len(s.calls), rep.Files[0].Errors[:min(2, len(rep.Files[0].Errors))])
			if rep.Accepted == 0 {
				t.Errorf("%s: nothing taken", f)
			}
		}
	}
}
