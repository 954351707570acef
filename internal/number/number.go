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
		if date := times.FindString(m); date != "" {
			return date + MaskText(m[len(date):]) // a number may follow it
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

// Is tells whether an id as a whole is a telephone number: with its country's code, with the trunk prefix 0, or a mobile
// one of the region. Other digits are an id like any other: nearly every ten of them are some fixed line.
func Is(id, region string) bool {
	digits := 0
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9':
			digits++
		case strings.IndexByte("+-() .", c) < 0:
			return false
		}
	}
	if digits < 8 {
		return false
	}
	n, err := phonenumbers.Parse(id, region)
	switch {
	case err != nil:
		return false
	case strings.HasPrefix(id, "+"):
		return phonenumbers.IsPossibleNumber(n)
	case strings.HasPrefix(strings.TrimLeft(id, "( "), "0"):
		return phonenumbers.IsValidNumber(n)
	}
	return mobile(n)
}

func mobile(n *phonenumbers.PhoneNumber) bool {
	t := phonenumbers.GetNumberType(n) // UNKNOWN for what is not valid
	return t == phonenumbers.MOBILE || t == phonenumbers.FIXED_LINE_OR_MOBILE
}

// HideIn puts something else in the place of each telephone number that an id is or holds as a part of its own, such as
// out-13800138000-7. Letters and digits around digits make them no part of their own: those of a UUID stay.
func HideIn(id, region string, with func(e164 string) string) string {
	if !longRun(id) {
		return id
	}
	out, from := "", 0
	for _, at := range run.FindAllStringIndex(id, -1) {
		m := id[at[0]:at[1]]
		if at[0] > 0 && alnum(id[at[0]-1]) || at[1] < len(id) && alnum(id[at[1]]) {
			continue
		}
		for _, try := range []string{m, "+" + strings.TrimPrefix(m, "+")} {
			if n, err := phonenumbers.Parse(try, region); err == nil && (mobile(n) || m[0] == '+' && phonenumbers.IsValidNumber(n)) {
				out += id[from:at[0]] + with(phonenumbers.Format(n, phonenumbers.E164))
				from = at[1]
				break
			}
		}
	}
	return out + id[from:]
}

// longRun tells whether there are ten digits in a row; most ids have not.
func longRun(s string) bool {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			n = 0
		} else if n++; n == 10 {
			return true
		}
	}
	return false
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// run is a stretch of digits as long as a whole number with or without its country.
var run = regexp.MustCompile(`\+?[0-9]{10,15}`)

// MaskSpelt masks the numbers in a text that are valid, however their digits are grouped; other runs of digits, such as
// ids, amounts and dates, stay as they are.
func MaskSpelt(s, region string) string {
	return digits.ReplaceAllStringFunc(s, func(m string) string {
		if date := times.FindString(m); date != "" {
			return date + MaskSpelt(m[len(date):], region)
		}
		bare := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r == '+' {
				return r
			}
			return -1
		}, m)
		if MaskValid(bare, region) == bare {
			return m
		}
		return MaskText(m)
	})
}

// MaskValid masks the runs of digits in a name that are valid numbers, nationally or with their country's code: the rest
// of the name, dates and counters, stays as it is.
func MaskValid(s, region string) string {
	return run.ReplaceAllStringFunc(s, func(m string) string {
		for _, try := range []string{m, "+" + strings.TrimPrefix(m, "+")} {
			if n, err := phonenumbers.Parse(try, region); err == nil && phonenumbers.IsValidNumber(n) {
				return MaskText(m)
			}
		}
		return m
	})
}
