package dashboards

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Values are what is chosen in the variables; one that is absent or empty stands at "all".
type Values map[string][]string

// Range is the half-open span of time shown.
type Range struct{ From, To time.Time }

const conditionalAll = "$__conditionalAll("

var (
	quotedVariable = regexp.MustCompile(`\$\{([a-z]+):sqlstring\}`)
	anyMacro       = regexp.MustCompile(`\$(?:__|\{)?[A-Za-z_]+`)
)

// Expand does to a query what Grafana and its ClickHouse data source do: conditions of variables that stand at "all"
// become 1=1, chosen values become quoted lists, and the range becomes two moments. A value can not leave its quotes.
func Expand(sql string, v Values, r Range) (string, error) {
	for {
		at := strings.LastIndex(sql, conditionalAll) // the innermost first
		if at < 0 {
			break
		}
		body, end, err := argument(sql, at+len(conditionalAll))
		if err != nil {
			return "", err
		}
		comma := strings.LastIndex(body, ",")
		if comma < 0 {
			return "", fmt.Errorf("macro $__conditionalAll(%s): expected a condition and a variable", body)
		}
		condition, name := body[:comma], strings.TrimPrefix(strings.TrimSpace(body[comma+1:]), "$")
		if len(v[name]) == 0 {
			condition = "1=1"
		}
		sql = sql[:at] + condition + sql[end:]
	}
	sql = strings.NewReplacer("$__fromTime_ms", moment(r.From), "$__toTime_ms", moment(r.To)).Replace(sql)
	if m := anyMacro.FindString(quotedVariable.ReplaceAllString(sql, "")); m != "" {
		return "", fmt.Errorf("the query has a macro that is not known: %s", m)
	}
	return quotedVariable.ReplaceAllStringFunc(sql, func(m string) string {
		values := v[quotedVariable.FindStringSubmatch(m)[1]]
		quoted := make([]string, len(values))
		for i, x := range values {
			quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(x) + "'"
		}
		return strings.Join(quoted, ",")
	}), nil
}

// argument is what stands up to the bracket that closes the one before begin.
func argument(sql string, begin int) (body string, end int, err error) {
	depth := 1
	for i := begin; i < len(sql); i++ {
		switch sql[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return sql[begin:i], i + 1, nil
			}
		}
	}
	return "", 0, fmt.Errorf("a bracket is not closed: %s", sql[begin:])
}

func moment(t time.Time) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }
