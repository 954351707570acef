package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/ingest/asterisk"
	"github.com/ringfence/ringfence/ingest/csvfile"
	"github.com/ringfence/ringfence/ingest/freeswitch"
	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// Formats are the formats Run reads.
func Formats() []string {
	return []string{"asterisk-cdr", "asterisk-queue-log", "freeswitch-json", "freeswitch-xml", "csv", "jsonl"}
}

// Options of an import.
type Options struct {
	Format   string
	Paths    []string
	Zone     *time.Location // of times without an offset; nil = UTC
	Map      string         // a mapping's file
	Kind     string         // of the rows of csv and jsonl; "" = calls
	Purpose  string         // of calls; "" = sales
	Campaign string
	CDR      []string // asterisk-queue-log: the CDRs of its calls; none = Master.csv or cdr-csv/Master.csv beside the file
	Batch    int      // rows in a batch; 0 = 500

	Sink       Sink
	Marks      Marks                // nil = nothing is remembered
	DeadLetter DeadLetter           // nil = broken rows are reported only
	Progress   func(done, of int64) // bytes of all files; may be nil
}

// Report is the result, as `ringfence import --format json` prints it. Rows throughout.
type Report struct {
	Counts
	Files []FileReport `json:"files"`
}

// Counts of rows; Read is the sum of the others.
type Counts struct {
	Read     int64 `json:"read"`
	Accepted int64 `json:"accepted"`
	Skipped  int64 `json:"skipped"`
	Rejected int64 `json:"rejected"`
}

// FileReport is the result of one file.
type FileReport struct {
	Path string `json:"path"`
	Counts
	Errors []RowError `json:"errors"`
}

// RowError is a row that was rejected.
type RowError struct {
	Line   int    `json:"line"`
	Detail string `json:"detail"`
}

// ExitCode is 0 when every row was taken and 1 when any was rejected.
func (r *Report) ExitCode() int {
	if r.Rejected > 0 {
		return 1
	}
	return 0
}

// Run imports the paths. An error means that it could not run, or not to the end: what was delivered is remembered,
// and the same call again goes on there. The report is of what was done, also beside an error.
func Run(ctx context.Context, opt Options) (*Report, error) {
	rep := &Report{Files: []FileReport{}}
	if !slices.Contains(Formats(), opt.Format) {
		return rep, fmt.Errorf("unknown format %q: expected one of %s", opt.Format, strings.Join(Formats(), ", "))
	}
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	if opt.Purpose == "" {
		opt.Purpose = "sales"
	}
	if opt.Batch <= 0 {
		opt.Batch = 500
	}
	var mapping *rows.Mapping
	if opt.Map != "" {
		b, err := os.ReadFile(opt.Map)
		if err != nil {
			return rep, fmt.Errorf("read the mapping: %w", err)
		}
		if mapping, err = rows.ParseMapping(b); err != nil {
			return rep, fmt.Errorf("%s: %w", opt.Map, err)
		}
	}
	paths, total, err := files(opt)
	if err != nil {
		return rep, err
	}
	var before int64
	for _, p := range paths {
		f := &file{opt: opt, mapping: mapping, path: p.path, rep: FileReport{Path: p.path, Errors: []RowError{}}}
		f.progress = func(done int64) {
			if opt.Progress != nil {
				opt.Progress(before+done, total)
			}
		}
		err := f.run(ctx)
		rep.add(f.rep)
		if err != nil {
			return rep, fmt.Errorf("import %s: %w", p.path, err)
		}
		before += p.size
		f.progress(0)
	}
	return rep, nil
}

func (r *Report) add(f FileReport) {
	slices.SortStableFunc(f.Errors, func(a, b RowError) int { return a.Line - b.Line })
	r.Files = append(r.Files, f)
	r.Read += f.Read
	r.Accepted += f.Accepted
	r.Skipped += f.Skipped
	r.Rejected += f.Rejected
}

type sized struct {
	path string
	size int64
}

func files(opt Options) ([]sized, int64, error) {
	var out []sized
	var total int64
	for _, p := range opt.Paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, 0, err
		}
		if !st.IsDir() {
			if !st.Mode().IsRegular() {
				return nil, 0, fmt.Errorf("%s is not a regular file", p)
			}
			out, total = append(out, sized{p, st.Size()}), total+st.Size()
			continue
		}
		ext, ok := strings.CutPrefix(opt.Format, "freeswitch-")
		if !ok {
			return nil, 0, fmt.Errorf("%s is a directory: name the files of it to import", p)
		}
		err = filepath.WalkDir(p, func(q string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Type().IsRegular() && strings.HasSuffix(strings.ToLower(q), "."+ext) {
				i, err := d.Info()
				if err != nil {
					return err
				}
				out, total = append(out, sized{q, i.Size()}), total+i.Size()
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	if len(opt.Paths) == 0 {
		return nil, 0, errors.New("no file to import")
	}
	return out, total, nil
}

func (f *file) reader(r io.Reader) (rows.Reader, error) {
	o := f.opt
	switch o.Format {
	case "asterisk-cdr":
		return asterisk.NewCDR(r, asterisk.Options{Zone: o.Zone, Purpose: o.Purpose, Campaign: o.Campaign, Mapping: f.mapping}), nil
	case "asterisk-queue-log":
		calls, err := f.companions()
		if err != nil {
			return nil, err
		}
		return asterisk.NewQueueLog(r, asterisk.Options{Calls: calls}), nil
	case "freeswitch-json":
		return freeswitch.NewJSON(r, freeswitch.Options{Purpose: o.Purpose, Campaign: o.Campaign}), nil
	case "freeswitch-xml":
		return freeswitch.NewXML(r, freeswitch.Options{Purpose: o.Purpose, Campaign: o.Campaign}), nil
	}
	c := csvfile.Options{Kind: o.Kind, Zone: o.Zone, Mapping: f.mapping, Purpose: o.Purpose, Campaign: o.Campaign}
	if o.Format == "jsonl" {
		return csvfile.NewJSONL(r, c), nil
	}
	return csvfile.NewCSV(r, c), nil
}

// companions reads the CDRs a queue_log's calls are in.
func (f *file) companions() (map[string]asterisk.Known, error) {
	paths := f.opt.CDR
	if len(paths) == 0 {
		for _, n := range []string{"Master.csv", filepath.Join("cdr-csv", "Master.csv")} {
			p := filepath.Join(filepath.Dir(f.path), n)
			if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
				paths = append(paths, p)
			}
		}
	}
	all := map[string]asterisk.Known{}
	for _, p := range paths {
		r, err := os.Open(p)
		if err != nil {
			return nil, err
		}
		calls, err := asterisk.Index(r, asterisk.Options{Zone: f.opt.Zone, Mapping: f.mapping})
		_ = r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		for k, v := range calls {
			all[k] = v
		}
	}
	return all, nil
}
