package rows

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxLine is the longest line that is a row; what is longer is broken.
const MaxLine = 1 << 20

// ErrTooLong says a line is no row.
var ErrTooLong = errors.New("line is longer than 1 MiB")

// Lines splits a file into lines that end in LF, CR LF or CR alone. A byte order mark is dropped and bytes that are
// not UTF-8 are taken for Latin-1.
type Lines struct {
	r    *bufio.Reader
	off  int64
	line int
}

// NewLines reads lines from r.
func NewLines(r io.Reader) *Lines { return &Lines{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next line; Pos.Raw is its text. At the end it is io.EOF. ErrTooLong comes with the position.
func (l *Lines) Next() (Pos, error) {
	p := Pos{Line: l.line + 1, Start: l.off}
	var b []byte
	long, ended := false, false
	for !ended {
		buf, err := l.r.Peek(1)
		if len(buf) == 0 {
			if err != io.EOF {
				return p, err
			}
			if l.off == p.Start {
				return p, io.EOF
			}
			p.Cut = true
			break
		}
		buf, _ = l.r.Peek(l.r.Buffered())
		n := len(buf)
		if i := bytes.IndexAny(buf, "\r\n"); i >= 0 {
			n, ended = i+1, true
		}
		if text := n; len(b)+text <= MaxLine+1 {
			b = append(b, buf[:n]...)
		} else {
			long = true
		}
		cr := buf[n-1] == '\r'
		_, _ = l.r.Discard(n)
		l.off += int64(n)
		if cr {
			if next, err := l.r.Peek(1); err == nil && next[0] == '\n' {
				_, _ = l.r.Discard(1)
				l.off++
			}
		}
	}
	l.line++
	p.End = l.off
	b = bytes.TrimRight(b, "\r\n")
	if p.Start == 0 {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	p.Raw = text(b)
	if long {
		p.Raw = p.Raw[:min(len(p.Raw), 4096)]
		return p, ErrTooLong
	}
	return p, nil
}

func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// Errors of SplitCSV.
var (
	ErrQuoteOpen  = errors.New("a quoted field is not closed")
	ErrQuoteStray = errors.New("a quote stands where none may")
)

// SplitCSV splits one record. Quotes are doubled inside quotes.
func SplitCSV(s string, comma rune) ([]string, error) {
	var out []string
	sep := string(comma)
	for {
		if !strings.HasPrefix(s, `"`) {
			f, rest, more := strings.Cut(s, sep)
			if strings.Contains(f, `"`) {
				return nil, ErrQuoteStray
			}
			out = append(out, f)
			if !more {
				return out, nil
			}
			s = rest
			continue
		}
		s = s[1:]
		var f strings.Builder
		for {
			i := strings.IndexByte(s, '"')
			if i < 0 {
				return nil, ErrQuoteOpen
			}
			f.WriteString(s[:i])
			s = s[i+1:]
			if !strings.HasPrefix(s, `"`) {
				break
			}
			f.WriteByte('"')
			s = s[1:]
		}
		out = append(out, f.String())
		if s == "" {
			return out, nil
		}
		if !strings.HasPrefix(s, sep) {
			return nil, ErrQuoteStray
		}
		s = s[len(sep):]
	}
}
