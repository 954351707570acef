package number

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"13800138000": "+8613800138000", "+86 138-0013-8000": "+8613800138000", "010 8888 1234": "+861088881234",
		"+442079460000": "+442079460000", "abc": "", "": "", "12": "",
	} {
		got, err := Normalize(in, "CN")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	if got, err := Caller("10010", "CN"); got != "10010" || err != nil {
		t.Errorf("short code: %q %v", got, err)
	}
}

func TestMaskTextLeavesNoNumber(t *testing.T) {
	s := MaskText(`{"number":"+8613800138000","started_at":"2026-03-02T10:00:00+08:00","note":"call 138 0013 8001"}`)
	for _, bad := range []string{"13800138000", "138 0013 8001", "0013"} {
		if strings.Contains(s, bad) {
			t.Errorf("%s is in %s", bad, s)
		}
	}
	if !strings.Contains(s, "2026-03-02T10:00:00+08:00") {
		t.Errorf("the time was masked: %s", s)
	}
}

func TestKeyIsMadeOnceAndItsLossIsNoticed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys", "number.key")
	k, err := LoadOrCreate(file, dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	again, err := LoadOrCreate(file, dir)
	if err != nil || again.Hash("+86138") != k.Hash("+86138") {
		t.Errorf("a second start hashes otherwise: %v", err)
	}
	if b, err := k.Open(k.Seal([]byte("+8613800138000"))); err != nil || string(b) != "+8613800138000" {
		t.Errorf("seal: %q %v", b, err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(file, dir); err == nil || !strings.Contains(err.Error(), "not the key this data was written with") {
		t.Errorf("another key: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(file, dir); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("a lost key: %v", err)
	}
}

func TestMaskValidKeepsNames(t *testing.T) {
	for name, want := range map[string]string{
		"rec/out-13800138000-20260302-101500.wav":      "rec/out-138******00-20260302-101500.wav",
		"rec/+8613800138000.wav":                       "rec/+861********00.wav",
		"rec/8613800138000.wav":                        "rec/861********00.wav",
		"recordings/sim-20261120-004217.wav":           "recordings/sim-20261120-004217.wav",
		"s3://bucket/2026/03/02/0190b7f2c0ffee99.opus": "s3://bucket/2026/03/02/0190b7f2c0ffee99.opus",
	} {
		if got := MaskValid(name, "CN"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestMaskTextKeepsTimesAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"at 2026-03-02T10:00:00.123+08:00 he said":       "at 2026-03-02T10:00:00.123+08:00 he said",
		"2026-03-02 10:00:00|13800138000":                "2026-03-02 10:00:00|138******00",
		"2026-03-02 13800138000":                         "2026-03-02 138******00",
		"call +44 7911 123456 or (021) 5550-1234, twice": "call +44 7*** ****56 or (021) 555*-**34, twice",
	} {
		if got := MaskText(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestIdsThatAreNumbersAndIdsThatAreNot(t *testing.T) {
	for id, is := range map[string]bool{
		"13800138000": true, "+8613800138000": true, "+447911123456": true, "021 5555 1234": true, "(021) 5555-1234": true, "138-0013-8000": true,
		"10000001": false, "1000012345": false, "20260302": false, "C000017": false, "": false, "1772416800": false, "1772416800123": false,
	} {
		if got := Is(id, "CN"); got != is {
			t.Errorf("%q: %v", id, got)
		}
	}
	for id, want := range map[string]string{
		"13800138000":                          "<+8613800138000>",
		"out-13800138000-20260302101500-7":     "out-<+8613800138000>-20260302101500-7",
		"a_+447911123456_b":                    "a_<+447911123456>_b",
		"8613800138000.wav":                    "<+8613800138000>.wav",
		"asterisk-1772416800.138":              "asterisk-1772416800.138",
		"0190b7f2-c0ff-7001-8a13-813800138000": "0190b7f2-c0ff-7001-8a13-813800138000",
		"x13800138000":                         "x13800138000",
		"call-20260302-000017":                 "call-20260302-000017",
	} {
		if got := HideIn(id, "CN", func(e string) string { return "<" + e + ">" }); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestMaskSpelt(t *testing.T) {
	for in, want := range map[string]string{
		`"call back on 139 0000 1234 please"`: `"call back on 139 **** **34 please"`,
		`13900001234`:                         `139******34`,
		`"+86-139-0000-1234"`:                 `"+86-1**-****-**34"`,
		`{"account": 88001234, "due": "2026-12-24 10:00:00", "order": "A-20261224-000000000017"}`: `{"account": 88001234, "due": "2026-12-24 10:00:00", "order": "A-20261224-000000000017"}`,
	} {
		if got := MaskSpelt(in, "CN"); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
