package recording_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/ringfence/ringfence/internal/recording"
)

// tone is a WAV file of a second of silence and a second of a tone.
func tone(format, bits uint16) []byte {
	const rate = 8000
	var data bytes.Buffer
	for i := range 2 * rate {
		v := 0.0
		if i >= rate {
			v = 0.5 * math.Sin(2*math.Pi*440*float64(i)/rate)
		}
		switch {
		case format == 1 && bits == 8:
			data.WriteByte(byte(128 + v*127))
		case format == 1 && bits == 16:
			_ = binary.Write(&data, binary.LittleEndian, int16(v*32767))
		case format == 3:
			_ = binary.Write(&data, binary.LittleEndian, float32(v))
		case format == 7: // silence and full scale of G.711
			if i < rate {
				data.WriteByte(0xff)
			} else {
				data.WriteByte(0x80)
			}
		}
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, uint32(36+data.Len()))
	b.WriteString("WAVEfmt ")
	_ = binary.Write(&b, binary.LittleEndian, []uint16{16, 0, format, 1})
	_ = binary.Write(&b, binary.LittleEndian, []uint32{rate, uint32(rate * int(bits) / 8)})
	_ = binary.Write(&b, binary.LittleEndian, []uint16{bits / 8, bits})
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(data.Len()))
	b.Write(data.Bytes())
	return b.Bytes()
}

func object(name string, b []byte) *recording.Object {
	return &recording.Object{ReadSeekCloser: closer{bytes.NewReader(b)}, Name: name, Size: int64(len(b)), Version: "1"}
}

type closer struct{ io.ReadSeeker }

func (closer) Close() error { return nil }

func TestWaveformOfWAV(t *testing.T) {
	for _, c := range []struct{ format, bits uint16 }{{1, 8}, {1, 16}, {3, 32}, {7, 8}} {
		x, err := recording.Compute(object("x", tone(c.format, c.bits)))
		if err != nil {
			t.Errorf("format %d, %d bits: %v", c.format, c.bits, err)
			continue
		}
		n := len(x.Peaks)
		if x.DurationMS != 2000 || n < 100 {
			t.Errorf("format %d: %d ms in %d columns, want 2000 ms", c.format, x.DurationMS, n)
		}
		if x.Peaks[n/4] > 4 || x.Peaks[3*n/4] < 100 {
			t.Errorf("format %d: silence is %d and the tone %d", c.format, x.Peaks[n/4], x.Peaks[3*n/4])
		}
	}
}

// The spoken samples: made by lame and opusenc, read by other decoders.
func TestWaveformOfMP3AndOpus(t *testing.T) {
	for file, want := range map[string]struct {
		kind       string
		from, upTo int64
	}{"refuse.mp3": {"audio/mpeg", 19_000, 20_500}, "agree.opus": {"audio/ogg", 35_500, 37_500}, "zh.opus": {"audio/ogg", 35_000, 37_500}} {
		b, err := os.ReadFile(filepath.Join("../../samples/recordings", file))
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := recording.Sniff(bytes.NewReader(b)); err != nil || kind != want.kind {
			t.Errorf("%s: %q %v, want %s", file, kind, err, want.kind)
		}
		x, err := recording.Compute(object(file, b))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		loud := 0
		for _, p := range x.Peaks {
			if p > 30 {
				loud++
			}
		}
		if x.DurationMS < want.from || x.DurationMS > want.upTo || len(x.Peaks) > 1200 || loud < len(x.Peaks)/4 {
			t.Errorf("%s: %d ms, %d columns, %d loud", file, x.DurationMS, len(x.Peaks), loud)
		}
	}
}

func TestNothingOutsideTheDirectory(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "recordings")
	if err := os.MkdirAll(filepath.Join(dir, "2026"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"secret.wav": tone(1, 16), "recordings/2026/a.wav": tone(1, 16)} {
		if err := os.WriteFile(filepath.Join(top, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.wav", filepath.Join(dir, "link.wav")); err != nil {
		t.Fatal(err)
	}
	d, err := recording.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, uri := range []string{"2026/a.wav", dir + "/2026/a.wav", "file://" + dir + "/2026/a.wav"} {
		o, err := d.Open(t.Context(), uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		_ = o.Close()
	}
	for _, uri := range []string{"../secret.wav", "2026/../../secret.wav", "/etc/passwd", top + "/secret.wav", dir + "/../secret.wav", "file:///etc/passwd", "http://x/y.wav", "", ".", "2026", "link.wav",
		"%2e%2e/secret.wav", "..%2fsecret.wav", "..\\secret.wav", "2026/a.wav\x00.mp3", "2026//a.wav", "./2026/a.wav", strings.Repeat("a/", 600) + "a"} {
		if o, err := d.Open(t.Context(), uri); err == nil {
			_ = o.Close()
			t.Errorf("%q was opened", uri)
		} else if !errors.Is(err, recording.ErrName) && !errors.Is(err, recording.ErrMissing) {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if _, err := d.Open(t.Context(), "2026/b.wav"); !errors.Is(err, recording.ErrMissing) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// The bucket is an S3 server of its own kind in this process (gofakes3), spoken to over HTTP.
func TestBucket(t *testing.T) {
	backend := s3mem.New()
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	defer srv.Close()
	if err := backend.CreateBucket("calls"); err != nil {
		t.Fatal(err)
	}
	wav := tone(1, 16)
	up, err := minio.New(strings.TrimPrefix(srv.URL, "http://"), &minio.Options{Creds: credentials.NewStaticV4("key", "secret-secret", "")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.PutObject(t.Context(), "calls", "rec/2026/a.wav", bytes.NewReader(wav), int64(len(wav)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := recording.NewS3(recording.S3Options{Endpoint: strings.TrimPrefix(srv.URL, "http://"), Bucket: "calls", Prefix: "rec", Region: "us-east-1", AccessKey: "key", SecretKey: "secret-secret", Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), "2026/a.wav")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	if o.Size != int64(len(wav)) || o.Version == "" {
		t.Errorf("size %d, version %q", o.Size, o.Version)
	}
	if _, err := o.Seek(1000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 100)
	if _, err := io.ReadFull(o, part); err != nil || !bytes.Equal(part, wav[1000:1100]) {
		t.Errorf("a part of it: %v", err)
	}
	for uri, want := range map[string]error{"2026/b.wav": recording.ErrMissing, "../calls/x": recording.ErrName, "s3://other/2026/a.wav": recording.ErrName} {
		if _, err := s.Open(t.Context(), uri); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", uri, err, want)
		}
	}
}

// A waveform is computed once: the second time what was kept is read, whatever the file holds by then.
func TestWaveformIsKept(t *testing.T) {
	w, err := recording.NewWaveforms(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.Of(object("a", tone(1, 16)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Of(object("a", []byte("no longer a recording")))
	if err != nil || again.DurationMS != first.DurationMS {
		t.Errorf("the second time: %v", err)
	}
	if _, err := w.Of(object("b", []byte("<html>never one</html>"))); !errors.Is(err, recording.ErrUnreadable) {
		t.Errorf("what is no recording: %v", err)
	}
}

func FuzzCompute(f *testing.F) {
	for _, s := range [][]byte{tone(1, 8)[:200], tone(3, 32)[:100], []byte("RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff"), []byte("OggS OpusHead"), {0xff, 0xfb, 0x90, 0x64, 0, 0}} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := recording.Compute(object("f", b))
		if err != nil && !errors.Is(err, recording.ErrUnreadable) {
			t.Errorf("another error than unreadable: %v", err)
		}
		if err == nil && len(x.Peaks) == 0 {
			t.Error("a waveform without columns")
		}
	})
}
