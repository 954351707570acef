package importer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/ingest/importer/rows"
)

// file imports one file.
type file struct {
	opt      Options
	mapping  *rows.Mapping
	path     string
	rep      FileReport
	progress func(int64)

	mark  *event.ImportMark
	known int64  // bytes taken before
	cut   string // digest of the unterminated line after them, which was read too
	waits []rows.Item
	count int
	lost  []Broken
	safe  int64
	tail  int64  // where an unterminated last line starts; -1 = there is none
	last  string // its digest
	again *prefix
}

func (f *file) run(ctx context.Context) error {
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	st, err := r.Stat()
	if err != nil {
		return err
	}
	if f.opt.Marks != nil {
		if f.mark, err = find(ctx, f.opt.Marks, f.opt.Format+"/"+f.opt.Kind, r, st.Size()); err != nil {
			return fmt.Errorf("look for a former import: %w", err)
		}
		f.known = f.mark.GetBytes()
		_, f.cut = splitState(f.mark.GetState())
		f.again = &prefix{r: r, h: sha256.New()}
	}
	reader, err := f.reader(io.NewSectionReader(r, 0, 1<<62))
	if err != nil {
		return err
	}
	f.tail = -1
	for {
		it, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		f.take(it)
		if f.count >= f.opt.Batch || len(f.lost) >= f.opt.Batch {
			if err := f.flush(ctx, false); err != nil {
				return err
			}
			f.progress(f.safe)
		}
	}
	if err := f.flush(ctx, true); err != nil {
		return err
	}
	f.progress(f.safe)
	return nil
}

// old tells whether a row was taken by a former import.
func (f *file) old(p rows.Pos) bool {
	return p.End <= f.known || (p.Start == f.known && f.cut != "" && digest(p.Raw) == f.cut)
}

func (f *file) take(it rows.Item) {
	f.rep.Read += int64(len(it.Pos))
	fresh := it.Pos[:0:0]
	for _, p := range it.Pos {
		if f.old(p) {
			f.rep.Skipped++
		} else {
			fresh = append(fresh, p)
		}
		if p.Cut {
			f.tail, f.last = p.Start, digest(p.Raw)
		}
	}
	f.safe = max(f.safe, it.Safe)
	it.Pos = fresh
	switch {
	case len(fresh) == 0:
	case it.Broken != "":
		f.reject(it, it.Broken)
	case len(it.Rows) == 0:
		f.rep.Skipped += int64(len(fresh))
	default:
		f.waits = append(f.waits, it)
		f.count += len(it.Rows)
	}
}

func (f *file) reject(it rows.Item, detail string) {
	for _, p := range it.Pos {
		f.rep.Rejected++
		f.rep.Errors = append(f.rep.Errors, RowError{Line: p.Line, Detail: detail})
		f.lost = append(f.lost, Broken{Source: "import:" + f.opt.Format, Path: f.path, Line: p.Line, Detail: detail, Raw: p.Raw})
	}
}

// flush delivers what waits and remembers it.
func (f *file) flush(ctx context.Context, end bool) error {
	refused := make([]string, len(f.waits))
	type ref struct{ item, row int }
	kinds := []string{}
	by := map[string][]ref{}
	resends := map[string]bool{} // some rows of the kind have another form, without the number
	for i, it := range f.waits {
		for j, r := range it.Rows {
			if by[r.Kind] == nil {
				kinds = append(kinds, r.Kind)
			}
			by[r.Kind] = append(by[r.Kind], ref{i, j})
			resends[r.Kind] = resends[r.Kind] || r.Fallback != nil
		}
	}
	for _, k := range kinds {
		lines := make([][]byte, len(by[k]))
		for n, x := range by[k] {
			lines[n] = f.waits[x.item].Rows[x.row].JSON
		}
		bad, err := f.opt.Sink.Send(ctx, k, lines, resends[k])
		if err != nil {
			return fmt.Errorf("deliver %s: %w", k, err)
		}
		var again [][]byte
		var whose []int
		for _, b := range bad {
			if b.Line < 1 || b.Line > len(lines) {
				return fmt.Errorf("deliver %s: the answer rejects line %d of %d", k, b.Line, len(lines))
			}
			x := by[k][b.Line-1]
			if fb := f.waits[x.item].Rows[x.row].Fallback; fb != nil && b.Pointer == "/number" {
				again, whose = append(again, fb), append(whose, x.item)
				continue
			}
			refused[x.item] = b.String()
			if resends[k] && b.Pointer == "/number" { // it has no other form, and the system waits for one
				for _, p := range f.waits[x.item].Pos {
					f.lost = append(f.lost, Broken{Source: "import:" + f.opt.Format, Path: f.path, Line: p.Line, Detail: b.String(), Raw: p.Raw})
				}
			}
		}
		if len(again) == 0 {
			continue
		}
		if bad, err = f.opt.Sink.Send(ctx, k, again, false); err != nil {
			return fmt.Errorf("deliver %s: %w", k, err)
		}
		for _, b := range bad {
			if b.Line >= 1 && b.Line <= len(whose) {
				refused[whose[b.Line-1]] = b.String()
			}
		}
	}
	for i, it := range f.waits {
		if refused[i] == "" {
			f.rep.Accepted += int64(len(it.Pos))
			continue
		}
		for _, p := range it.Pos { // the system has put it into the dead letter itself
			f.rep.Rejected++
			f.rep.Errors = append(f.rep.Errors, RowError{Line: p.Line, Detail: refused[i]})
		}
	}
	if len(f.lost) > 0 && f.opt.DeadLetter != nil {
		if err := f.opt.DeadLetter.Put(ctx, f.lost); err != nil {
			return fmt.Errorf("deliver broken rows to the dead letter: %w", err)
		}
	}
	f.waits, f.count, f.lost = f.waits[:0], 0, nil
	return f.remember(ctx, end)
}

func (f *file) remember(ctx context.Context, end bool) error {
	if f.opt.Marks == nil {
		return nil
	}
	done := max(f.safe, f.known)
	cut := ""
	if end && f.tail >= 0 {
		done, cut = f.tail, f.last
	}
	if done < f.known || (done == f.known && cut == f.cut && f.mark.Complete == end) {
		return nil
	}
	sum, err := f.again.upTo(done)
	if err != nil {
		return fmt.Errorf("read again what was taken: %w", err)
	}
	f.mark.Path, f.mark.Bytes, f.mark.Rows = f.path, done, f.rep.Read
	f.mark.Accepted, f.mark.Skipped, f.mark.Rejected = f.rep.Accepted, f.rep.Skipped, f.rep.Rejected
	f.mark.At, f.mark.Complete = time.Now().UnixMilli(), end
	f.mark.State = []byte(sum + " " + cut)
	if err := f.opt.Marks.Save(ctx, f.mark); err != nil {
		return fmt.Errorf("remember how far it came: %w", err)
	}
	return nil
}
