package sampling

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Of every N exactly ceil(N / one_in) are drawn, however many come after the close.
func TestExactlyOneInTen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		oneIn := rapid.Int64Range(1, 12).Draw(t, "one in")
		before, late := rapid.Int64Range(0, 60).Draw(t, "before"), rapid.Int64Range(0, 40).Draw(t, "late")
		key := []byte(fmt.Sprint(rapid.Uint64().Draw(t, "key")))
		drawn := map[int64]bool{}
		for seq := int64(1); seq <= before; seq++ {
			if Arrive(key, "a", "2026-03-02", seq, -1, oneIn) {
				drawn[seq] = true
			}
		}
		if n := Close(key, "a", "2026-03-02", before, oneIn); n > 0 {
			if drawn[n] || n > before {
				t.Fatalf("the close drew %d of %d", n, before)
			}
			drawn[n] = true
		}
		if want := (before + oneIn - 1) / oneIn; int64(len(drawn)) != want {
			t.Fatalf("%d drawn of %d, want %d", len(drawn), before, want)
		}
		for seq := before + 1; seq <= before+late; seq++ {
			if Arrive(key, "a", "2026-03-02", seq, before, oneIn) {
				drawn[seq] = true
			}
		}
		n := before + late
		if want := (n + oneIn - 1) / oneIn; int64(len(drawn)) != want {
			t.Fatalf("%d drawn of %d with %d late, want %d", len(drawn), n, late, want)
		}
	})
}

// A vector computed by hand with openssl: HMAC-SHA256 under 32 zero bytes.
func TestPositionIsTheContracts(t *testing.T) {
	if got := Position(make([]byte, 32), "agent-1", "2026-03-02", 0, 10); got != vector {
		t.Errorf("position %d, want %d", got, vector)
	}
}

// vector is 1 + the first 8 bytes of the digest mod 10.
const vector = 9
