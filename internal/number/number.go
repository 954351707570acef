// Package number is the one place that knows telephone numbers: it completes and checks them (libphonenumber), turns
// them into keyed hashes for everything beyond ingest and the dialer, seals them for the dialer's leads, and masks
// them in whatever people read (promise 6).
package number

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Normalize completes a national number with the region and returns it in E.164. What is no number is an error that
// says so.
func Normalize(raw, region string) (string, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return "", errors.New("is empty, expected a telephone number such as +8613800138000")
	}
	n, err := phonenumbers.Parse(raw, region)
	if err != nil {
		return "", fmt.Errorf("is not a telephone number: %w", err)
	}
	if !phonenumbers.IsPossibleNumber(n) {
		return "", errors.New("is not a telephone number: its length fits no number of its country")
	}
	return phonenumbers.Format(n, phonenumbers.E164), nil
}

var shortCode = regexp.MustCompile(`^[0-9]{3,8}$`)

// Caller is Normalize for our own numbers, which may also be short codes such as 10010.
func Caller(raw, region string) (string, error) {
	raw = strings.TrimSpace(raw)
	if shortCode.MatchString(raw) {
		return raw, nil
	}
	return Normalize(raw, region)
}

// Mask keeps the country and the ends of a number: +8613800138000 is +86138****8000. Short codes stay.
func Mask(n string) string {
	if len(n) <= 7 {
		return n
	}
	head := min(6, len(n)-6)
	return n[:head] + "****" + n[len(n)-4:]
}

// digits are runs that may be telephone numbers: seven digits and more, separators as people write them allowed.
var digits = regexp.MustCompile(`\+?[0-9](?:[ ().\-/]?[0-9]){6,}`)

// times are kept readable: dates and times are long digit runs too.
var times = regexp.MustCompile(`^(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}`)

// MaskText masks everything in a text that may be a telephone number.
func MaskText(s string) string {
	return digits.ReplaceAllStringFunc(s, func(m string) string {
		if times.MatchString(m) {
			return m
		}
		n := 0
		for _, r := range m {
			if r >= '0' && r <= '9' {
				n++
			}
		}
		out, seen := make([]rune, 0, len(m)), 0
		for _, r := range m {
			if r >= '0' && r <= '9' {
				seen++
				if seen > 3 && seen <= n-2 {
					r = '*'
				}
			}
			out = append(out, r)
		}
		return string(out)
	})
}
