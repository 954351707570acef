package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// PermitID names a permit so that whoever holds the id finds the customer's partition.
func PermitID(customerID, requestID string, at int64) string {
	sum := sha256.Sum256([]byte(customerID + "\x00" + requestID + "\x00" + strconv.FormatInt(at, 10)))
	return base64.RawURLEncoding.EncodeToString([]byte(customerID)) + "." + hex.EncodeToString(sum[:8])
}

// PermitCustomer is the customer a permit id was given for; false if it is no permit id.
func PermitCustomer(id string) (string, bool) {
	head, tail, ok := strings.Cut(id, ".")
	if !ok || len(tail) != 16 {
		return "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || len(b) == 0 {
		return "", false
	}
	return string(b), true
}
