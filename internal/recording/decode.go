package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/hajimehoshi/go-mp3"
	"github.com/pion/opus"
	"github.com/pion/opus/pkg/oggreader"
)

// mostSamples bounds what is decoded: eight hours at 48 kHz.
const mostSamples = 8 * 3600 * 48000

// decode hands the samples of a recording, all channels mixed, to each; it returns the rate in samples a second. A
// decoder that gives up on a damaged file ends the recording there, if anything was heard before.
func decode(kind string, r io.ReadSeeker, each func(float32)) (rate int, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoders of others read bytes of others
			err = fmt.Errorf("%w: %v", ErrUnreadable, p)
		}
	}()
	n := 0
	count := func(v float32) {
		n++
		each(v)
	}
	switch kind {
	case "audio/wav":
		rate, err = decodeWAV(r, count)
	case "audio/mpeg":
		rate, err = decodeMP3(r, count)
	case "audio/ogg":
		rate, err = decodeOpus(r, count)
	default:
		return 0, ErrUnreadable
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if n == 0 || rate <= 0 {
		return 0, fmt.Errorf("%w: there is no sound in it", ErrUnreadable)
	}
	return rate, nil
}

func decodeWAV(r io.ReadSeeker, each func(float32)) (int, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return 0, errors.New("it does not begin as a WAV file does")
	}
	var format, channels, bits uint16
	var rate uint32
	for {
		var h [8]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return 0, errors.New("the WAV file has no data")
		}
		id, size := string(h[:4]), int64(binary.LittleEndian.Uint32(h[4:]))
		switch id {
		case "fmt ":
			if size < 16 || size > 1024 {
				return 0, fmt.Errorf("its fmt chunk has %d bytes", size)
			}
			b := make([]byte, size)
			if _, err := io.ReadFull(r, b); err != nil {
				return 0, errors.New("its fmt chunk is cut off")
			}
			format, channels, rate, bits = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint16(b[14:])
			if format == 0xfffe && size >= 26 {
				format = binary.LittleEndian.Uint16(b[24:])
			}
		case "data":
			if rate == 0 || rate > 192_000 || channels == 0 || channels > 16 {
				return 0, fmt.Errorf("%d samples a second on %d channels cannot be", rate, channels)
			}
			one, width, err := sampleOf(format, bits)
			if err != nil {
				return 0, err
			}
			return int(rate), eachFrame(io.LimitReader(r, size), width, int(channels), one, each)
		default:
			if _, err := r.Seek(size+size&1, io.SeekCurrent); err != nil {
				return 0, errors.New("a chunk is cut off")
			}
		}
	}
}

// eachFrame reads frames of channels samples of width bytes; a frame cut off at the end is left out.
func eachFrame(r io.Reader, width, channels int, one func([]byte) float32, each func(float32)) error {
	frame := width * channels
	buf := make([]byte, frame*4096)
	for total := 0; total < mostSamples; {
		n, err := io.ReadFull(r, buf)
		for i := 0; i+frame <= n; i += frame {
			var sum float32
			for c := range channels {
				sum += one(buf[i+c*width:])
			}
			each(sum / float32(channels))
			total++
		}
		if err != nil {
			return nil // the end, wherever it is: a recording that was cut off is heard as far as it goes
		}
	}
	return nil
}

func sampleOf(format, bits uint16) (func([]byte) float32, int, error) {
	switch {
	case format == 1 && bits == 8:
		return func(b []byte) float32 { return (float32(b[0]) - 128) / 128 }, 1, nil
	case format == 1 && bits == 16:
		return func(b []byte) float32 { return float32(int16(binary.LittleEndian.Uint16(b))) / 32768 }, 2, nil
	case format == 1 && bits == 24:
		return func(b []byte) float32 {
			return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)>>8) / (1 << 23)
		}, 3, nil
	case format == 1 && bits == 32:
		return func(b []byte) float32 { return float32(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) }, 4, nil
	case format == 3 && bits == 32:
		return func(b []byte) float32 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(b))
			if v != v {
				return 0
			}
			return max(-1, min(1, v))
		}, 4, nil
	case format == 6 && bits == 8:
		return func(b []byte) float32 { return alaw(b[0]) }, 1, nil
	case format == 7 && bits == 8:
		return func(b []byte) float32 { return ulaw(b[0]) }, 1, nil
	}
	return nil, 0, fmt.Errorf("WAV format %d with %d bits a sample is not known", format, bits)
}

// alaw and ulaw are the companding of telephone lines (G.711).
func alaw(v byte) float32 {
	v ^= 0x55
	t := int(v&0x0f)<<4 + 8
	if seg := int(v&0x70) >> 4; seg > 0 {
		t = (t + 0x100) << (seg - 1)
	}
	if v&0x80 == 0 {
		t = -t
	}
	return float32(t) / 32768
}

func ulaw(v byte) float32 {
	v = ^v
	t := (int(v&0x0f)<<3 + 0x84) << (int(v&0x70) >> 4)
	t -= 0x84
	if v&0x80 != 0 {
		t = -t
	}
	return float32(t) / 32768
}

func decodeMP3(r io.Reader, each func(float32)) (int, error) {
	d, err := mp3.NewDecoder(r)
	if err != nil {
		return 0, err
	}
	return d.SampleRate(), eachFrame(d, 2, 2, func(b []byte) float32 { return float32(int16(binary.LittleEndian.Uint16(b))) / 32768 }, each)
}

func decodeOpus(r io.Reader, each func(float32)) (int, error) {
	const rate = 48000
	ogg, head, err := oggreader.NewWith(r)
	if err != nil {
		return 0, err
	}
	channels := int(head.Channels)
	if channels < 1 || channels > 2 {
		return 0, fmt.Errorf("%d channels of Opus are not known", channels)
	}
	d, err := opus.NewDecoderWithOutput(rate, channels)
	if err != nil {
		return 0, err
	}
	pcm := make([]float32, 5760*channels) // 120 ms, the longest packet
	skip, total := int(head.PreSkip), 0
	for packets := 0; total < mostSamples; packets++ {
		packet, _, err := ogg.ParseNextPacket()
		if err != nil {
			return rate, nil // the end, or as far as it can be read
		}
		if packets == 0 && len(packet) >= 8 && string(packet[:8]) == "OpusTags" {
			continue
		}
		n, err := d.DecodeToFloat32(packet, pcm)
		if err != nil {
			if total > 0 {
				return rate, nil
			}
			return 0, err
		}
		for i := range n {
			if skip > 0 {
				skip--
				continue
			}
			var sum float32
			for c := range channels {
				sum += pcm[i*channels+c]
			}
			each(sum / float32(channels))
			total++
		}
	}
	return rate, nil
}
