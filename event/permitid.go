package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// PermitID names a permit so that whoever holds the id finds the customer's partition.
func PermitID(customerID, requestID string, at int64) string {
	return PermitIDOf(customerID, PermitSum(customerID, requestID, at))
}

// PermitSum is what tells a customer's permits apart.
func PermitSum(customerID, requestID string, at int64) uint64 {
	b := make([]byte, 0, 256)
	b = append(append(b, customerID...), 0)
	b = append(append(b, requestID...), 0)
	sum := sha256.Sum256(strconv.AppendInt(b, at, 10))
	return binary.BigEndian.Uint64(sum[:])
}

// PermitIDOf is the permit's id, made of its parts.
func PermitIDOf(customerID string, sum uint64) string {
	var id [256]byte
	var name [128]byte
	var tail [8]byte
	b := append(base64.RawURLEncoding.AppendEncode(id[:0], append(name[:0], customerID...)), '.')
	binary.BigEndian.PutUint64(tail[:], sum)
	return string(hex.AppendEncode(b, tail[:]))
}

// PermitParts takes an id apart; false if it is no permit id.
func PermitParts(id string) (customerID string, sum uint64, ok bool) {
	head, tail, ok := strings.Cut(id, ".")
	if !ok || len(tail) != 16 {
		return "", 0, false
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || len(b) == 0 {
		return "", 0, false
	}
	s, err := hex.DecodeString(tail)
	if err != nil {
		return "", 0, false
	}
	return string(b), binary.BigEndian.Uint64(s), true
}

// PermitCustomer is the customer a permit id was given for; false if it is no permit id.
func PermitCustomer(id string) (string, bool) {
	customer, _, ok := PermitParts(id)
	return customer, ok
}
