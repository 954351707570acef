package recording

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/singleflight"
)

// Waveform is what a recording looks like: the loudest sample of each of up to Columns equal stretches, 0 to 255.
type Waveform struct {
	DurationMS int64 `json:"duration_ms"`
	Peaks      []int `json:"peaks"`
}

// mostColumns a waveform has.
const mostColumns = 1200

// Waveforms computes waveforms and keeps them in a directory.
type Waveforms struct {
	dir    string
	flight singleflight.Group
}

// NewWaveforms keeps them in dir, which is made.
func NewWaveforms(dir string) (*Waveforms, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of waveforms: %w", err)
	}
	return &Waveforms{dir: dir}, nil
}

// Of is the waveform of an open recording; it is computed the first time, by one of those who ask at once.
func (w *Waveforms) Of(o *Object) (*Waveform, error) {
	sum := sha256.Sum256([]byte(o.Name + "\x00" + o.Version))
	file := filepath.Join(w.dir, hex.EncodeToString(sum[:16])+".json")
	v, err, _ := w.flight.Do(file, func() (any, error) {
		if b, err := os.ReadFile(file); err == nil {
			var x Waveform
			if json.Unmarshal(b, &x) == nil && len(x.Peaks) > 0 {
				return &x, nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read a waveform: %w", err)
		}
		x, err := Compute(o)
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(x)
		if err == nil {
			tmp := file + ".new"
			if err = os.WriteFile(tmp, b, 0o600); err == nil {
				err = os.Rename(tmp, file)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("keep a waveform: %w", err)
		}
		return x, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*Waveform), nil
}

// Compute a recording's waveform.
func Compute(o *Object) (*Waveform, error) {
	kind, err := Sniff(o)
	if err != nil {
		return nil, err
	}
	// How long it is is known at its end only: stretches begin short and are joined in pairs when there are too many.
	var peaks []float32
	stretch, in, n := 64, 0, int64(0)
	var top float32
	rate, err := decode(kind, o, func(v float32) {
		n++
		top = max(top, v, -v)
		if in++; in < stretch {
			return
		}
		peaks = append(peaks, top)
		in, top = 0, 0
		if len(peaks) == 2*mostColumns {
			for i := range mostColumns {
				peaks[i] = max(peaks[2*i], peaks[2*i+1])
			}
			peaks = peaks[:mostColumns]
			stretch *= 2
		}
	})
	if err != nil {
		return nil, err
	}
	if in > 0 {
		peaks = append(peaks, top)
	}
	if len(peaks) > mostColumns {
		half := (len(peaks) + 1) / 2
		for i := range half {
			peaks[i] = max(peaks[2*i], peaks[min(2*i+1, len(peaks)-1)])
		}
		peaks = peaks[:half]
	}
	x := &Waveform{DurationMS: n * 1000 / int64(rate)}
	for _, p := range peaks {
		x.Peaks = append(x.Peaks, int(min(1, p)*255))
	}
	return x, nil
}
