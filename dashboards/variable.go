package dashboards

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Variable is something a reader narrows a dashboard by.
type Variable struct {
	Name    string   `json:"name"`
	Title   Text     `json:"title"`
	Choices []Choice `json:"choices,omitempty"` // fixed ones, of which one is taken; without them any number of the values in ClickHouse
}

// Choice of a variable with fixed values.
type Choice struct {
	Value string `json:"value"`
	Title Text   `json:"title"`
}

// The variables there are. Each is a dimension of the catalogue, but for the last.
var (
	varCampaign = Variable{Name: "campaign", Title: Text{"Campaign", "活动"}}
	varTeam     = Variable{Name: "team", Title: Text{"Team", "班组"}}
	varAgent    = Variable{Name: "agent", Title: Text{"Agent", "坐席"}}
	varPartner  = Variable{Name: "partner", Title: Text{"Partner", "合作方"}}
	varProduct  = Variable{Name: "product", Title: Text{"Product", "业务"}}
	varWhich    = Variable{Name: "which", Title: Text{"Calls", "通话"}, Choices: []Choice{
		{"all", Text{"all", "全部"}}, {"connected", Text{"connected", "接通"}}, {"effective", Text{"effective talks", "有效通话"}}, {"orders", Text{"orders", "成交"}},
		{"abandoned", Text{"abandoned", "放弃"}}, {"violations", Text{"cap violations", "超限"}}, {"unrecorded", Text{"connected, not recorded", "接通未录音"}}, {"complained", Text{"complained about", "被投诉"}}}}
)

// columnOf a variable in the tables of facts.
func columnOf(name string) string {
	if name == "product" {
		return "products"
	}
	return name + "_id"
}

// valuesSQL lists the values a variable can take: what occurs in the range, and campaigns that have not begun.
func (v Variable) valuesSQL() string {
	of := func(column, table, at string) string {
		return "SELECT DISTINCT " + column + " AS v FROM " + table + " WHERE " + during(at)
	}
	var from []string
	switch v.Name {
	case "product":
		from = []string{of("arrayJoin(products)", "calls", "started_at"), "SELECT DISTINCT arrayJoin(products) FROM campaigns"}
	case "campaign":
		from = []string{of("campaign_id", "calls", "started_at"), of("campaign_id", "permits", "at"), "SELECT DISTINCT campaign_id FROM campaigns"}
	default:
		from = []string{of(columnOf(v.Name), "calls", "started_at"), of(columnOf(v.Name), "agent_intervals", "start_at")}
	}
	return "SELECT DISTINCT toString(v) AS v FROM (" + strings.Join(from, " UNION ALL ") + ") WHERE v != '' ORDER BY v"
}

// only is the condition that a fact has one of the chosen values: always true while all are chosen.
func only(names ...string) string {
	var out []string
	for _, n := range names {
		c := fmt.Sprintf("%s IN (${%s:sqlstring})", columnOf(n), n)
		if n == "product" {
			c = "hasAny(products, [${product:sqlstring}])"
		}
		out = append(out, fmt.Sprintf("$__conditionalAll(%s, $%s)", c, n))
	}
	return strings.Join(out, " AND ")
}

// unnarrowed is the condition that all values are chosen.
func unnarrowed(names ...string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("$__conditionalAll(1=0, $%s)", n))
	}
	return strings.Join(out, " AND ")
}

// The catalogue's filters take values, Grafana wants a macro round the whole condition. So a metric is filtered by a
// mark, and the condition that holds it is put into the macro.
func mark(name string) string { return "§" + name + "§" }

var (
	inCondition  = regexp.MustCompile(`[A-Za-z_.]+ IN \('§([a-z]+)§'\)`)
	hasCondition = regexp.MustCompile(`hasAny\([^§]*?, \['§([a-z]+)§'\]\)`)
)

func unmark(sql string) (string, error) {
	macro := func(name, condition string) string {
		return fmt.Sprintf("$__conditionalAll(%s, $%s)", strings.ReplaceAll(condition, "'"+mark(name)+"'", "${"+name+":sqlstring}"), name)
	}
	sql = inCondition.ReplaceAllStringFunc(sql, func(c string) string { return macro(inCondition.FindStringSubmatch(c)[1], c) })
	for { // from the innermost hasAny that holds a mark
		at := hasCondition.FindStringSubmatchIndex(sql)
		if at == nil {
			break
		}
		name := sql[at[2]:at[3]]
		begin := strings.LastIndex(sql[:at[2]], "hasAny(")
		sql = sql[:begin] + macro(name, sql[begin:at[1]]) + sql[at[1]:]
	}
	if strings.Contains(sql, "§") {
		return "", fmt.Errorf("the catalogue writes a filter in a form that is not known here: %s", sql)
	}
	return sql, nil
}

// filters are the dashboard's variables that every metric of the panel has; without says which it lacks.
func filters(ms []kpi.Metric, vars []Variable) (has, without []string) {
	for _, v := range vars {
		if len(v.Choices) > 0 {
			continue
		}
		all := true
		for _, m := range ms {
			all = all && slices.Contains(m.Dimensions(), v.Name)
		}
		if all {
			has = append(has, v.Name)
		} else {
			without = append(without, v.Name)
		}
	}
	return has, without
}

// replaceOnly takes the conditions on a variable out of a query: it stands at "all".
func replaceOnly(sql, name string) string {
	return strings.NewReplacer(only(name), "1=1", unnarrowed(name), "1=1").Replace(sql)
}
