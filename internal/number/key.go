package number

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Key hashes and seals numbers. Whoever has it can test guesses; whoever lost it can no longer tell who a number's
// history belongs to, so its loss is an error and never a fresh start.
type Key struct {
	hash []byte
	seal cipher.AEAD
}

// NewKey makes a key of 32 secret bytes.
func NewKey(secret []byte) (*Key, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("a number key has 32 bytes, this one %d", len(secret))
	}
	derive := func(what string) []byte {
		m := hmac.New(sha256.New, secret)
		_, _ = m.Write([]byte(what))
		return m.Sum(nil)
	}
	block, err := aes.NewCipher(derive("ringfence number seal"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Key{hash: derive("ringfence number hash"), seal: aead}, nil
}

// LoadOrCreate reads the key file, or makes it (mode 0600) on the very first start. dataDir keeps the key's
// fingerprint: data that was written under a key which is gone, or under another one, is refused.
func LoadOrCreate(file, dataDir string) (*Key, error) {
	secret, err := secretFile(file, filepath.Join(dataDir, "number.key.fingerprint"))
	if err != nil {
		return nil, err
	}
	return NewKey(secret)
}

// secretFile is 32 bytes as hex in a file, with its fingerprint kept elsewhere.
func secretFile(file, markFile string) ([]byte, error) {
	mark, err := os.ReadFile(markFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the key's fingerprint: %w", err)
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(mark) > 0:
		return nil, fmt.Errorf("the number key %s is gone, but this data was written with it: restore the file from your backup (nothing was changed)", file)
	case errors.Is(err, fs.ErrNotExist):
		secret := make([]byte, 32)
		_, _ = rand.Read(secret)
		text = []byte(hex.EncodeToString(secret) + "\n")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, fmt.Errorf("make the key's directory: %w", err)
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("make the number key: %w", err)
		}
		_, err = f.Write(text)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, fmt.Errorf("write the number key: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("read the number key: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s is not a number key: expected 64 hexadecimal digits", file)
	}
	sum := sha256.Sum256(append([]byte("ringfence fingerprint"), secret...))
	print := hex.EncodeToString(sum[:8])
	if len(mark) == 0 {
		if err := os.WriteFile(markFile, []byte(print), 0o600); err != nil {
			return nil, fmt.Errorf("write the key's fingerprint: %w", err)
		}
	} else if string(mark) != print {
		return nil, fmt.Errorf("%s is not the key this data was written with: restore the right file from your backup", file)
	}
	return secret, nil
}

// Secret is LoadOrCreate for other secrets kept the same way.
func Secret(file, markFile string) ([]byte, error) { return secretFile(file, markFile) }

// HashLen is the length of a number's hash.
const HashLen = 32

// Hash is the number's keyed hash: 32 hexadecimal digits.
func (k *Key) Hash(e164 string) string {
	m := hmac.New(sha256.New, k.hash)
	_, _ = m.Write([]byte(e164))
	var sum [32]byte
	return hex.EncodeToString(m.Sum(sum[:0])[:16])
}

// Customer is the keyed hash of a customer id.
func (k *Key) Customer(id string) string { return k.Hash("customer\x00" + id) }

// Seal encrypts a number so that only a holder of the key can open it.
func (k *Key) Seal(plain []byte) []byte {
	nonce := make([]byte, k.seal.NonceSize(), k.seal.NonceSize()+len(plain)+16)
	_, _ = rand.Read(nonce)
	return k.seal.Seal(nonce, nonce, plain, nil)
}

// Open is the opposite of Seal.
func (k *Key) Open(sealed []byte) ([]byte, error) {
	n := k.seal.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("sealed text is too short")
	}
	plain, err := k.seal.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return nil, fmt.Errorf("open a sealed number: %w", err)
	}
	return plain, nil
}
