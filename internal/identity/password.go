package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password (OWASP's recommendation for argon2id): 19 MiB, two passes, one lane; about 20 ms.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	lanes     = 1
	keyLen    = 32
	saltLen   = 16
)

// Bounds of what a file may ask for, so that a broken file cannot take all memory.
const (
	mostMemoryKiB = 256 * 1024
	mostPasses    = 20
)

// HashPassword makes the PHC string of a password: $argon2id$v=19$m=19456,t=2,p=1$salt$key.
func HashPassword(password string) string {
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, passes, memoryKiB, lanes, keyLen)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memoryKiB, passes, lanes, b.EncodeToString(salt), b.EncodeToString(key))
}

// passwordHash is a PHC string taken apart.
type passwordHash struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parsePassword(s string) (*passwordHash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return nil, fmt.Errorf("expected an argon2id hash such as `ringfence user add` makes")
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return nil, fmt.Errorf("the hash has version %q, expected v=%d", parts[2], argon2.Version)
	}
	h := &passwordHash{}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); n != 3 || err != nil {
		return nil, fmt.Errorf("the hash's cost %q is not of the form m=19456,t=2,p=1", parts[3])
	}
	if h.lanes < 1 || h.time < 1 || h.time > mostPasses || h.memory < 8*uint32(h.lanes) || h.memory > mostMemoryKiB {
		return nil, fmt.Errorf("the hash's cost %q is out of bounds (memory up to %d KiB, passes up to %d)", parts[3], mostMemoryKiB, mostPasses)
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return nil, fmt.Errorf("the hash's salt is not 8 to 64 bytes in base64")
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return nil, fmt.Errorf("the hash's key is not 16 to 64 bytes in base64")
	}
	return h, nil
}

func (h *passwordHash) matches(password string) bool {
	got := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(got, h.key) == 1
}
