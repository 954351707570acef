package importer

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/ringfence/ringfence/ingest/asterisk"
	"github.com/ringfence/ringfence/ingest/csvfile"
	"github.com/ringfence/ringfence/ingest/freeswitch"
	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// drain holds a reader to what an import relies on: it ends, every row is yielded once, and Safe never lies.
func drain(t *testing.T, r rows.Reader, size int) {
	t.Helper()
	seen := map[int64]bool{}
	var safe int64
	for {
		it, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			return
		}
		if len(it.Pos) == 0 {
			t.Fatal("an item of no row")
		}
		for _, p := range it.Pos {
			if seen[p.Start] || p.Start < safe || p.End > int64(size) || p.Start >= p.End || p.Line < 1 {
				t.Fatalf("row %+v after safe %d of %d bytes", p, safe, size)
			}
			seen[p.Start] = true
		}
		safe = max(safe, it.Safe)
	}
}

func fuzz(f *testing.F, files []string, open func(io.Reader) rows.Reader) {
	for _, s := range files {
		if b, err := os.ReadFile(s); err == nil {
			b = b[:min(len(b), 3000)]
			f.Add(string(b))
			f.Add(strings.ReplaceAll(string(b), "\n", "\r"))
		}
	}
	f.Add("\xef\xbb\xbf\"a\n\"\"\xff\r\n\r\"")
	f.Add("[{},{\"variables\":{\"uuid\":\"1\"}}]{\n{")
	f.Add("<cdr><variables><a:b>%zz</a:b></variables></cdr><cdr")
	f.Fuzz(func(t *testing.T, s string) { drain(t, open(strings.NewReader(s)), len(s)) })
}

func FuzzCDR(f *testing.F) {
	fuzz(f, []string{run22 + "Master.csv"}, func(r io.Reader) rows.Reader { return asterisk.NewCDR(r, asterisk.Options{}) })
}

func FuzzQueueLog(f *testing.F) {
	fuzz(f, []string{run22 + "queue_log"}, func(r io.Reader) rows.Reader { return asterisk.NewQueueLog(r, asterisk.Options{}) })
}

func FuzzCSV(f *testing.F) {
	fuzz(f, []string{run22 + "plan.csv"}, func(r io.Reader) rows.Reader { return csvfile.NewCSV(r, csvfile.Options{}) })
}

func FuzzJSONL(f *testing.F) {
	fuzz(f, nil, func(r io.Reader) rows.Reader { return csvfile.NewJSONL(r, csvfile.Options{}) })
}

func FuzzFreeswitchJSON(f *testing.F) {
	fuzz(f, nil, func(r io.Reader) rows.Reader { return freeswitch.NewJSON(r, freeswitch.Options{}) })
}

func FuzzFreeswitchXML(f *testing.F) {
	fuzz(f, nil, func(r io.Reader) rows.Reader { return freeswitch.NewXML(r, freeswitch.Options{}) })
}
