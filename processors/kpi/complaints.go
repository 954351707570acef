package kpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// complaintSides are what a table of complaints may have as its sides: what a complaint says of itself (CPL-10 to CPL-14).
func complaintSides() []string {
	return []string{"channel", "category", "cause", "level", "severity", "handling", "campaign", "agent", "team", "partner"}
}

// ComplaintCell is a number of complaints; "" = they do not say.
type ComplaintCell struct {
	Row        string `json:"row"`
	Column     string `json:"column"`
	Complaints int64  `json:"complaints"`
	Attributed int64  `json:"attributed"` // those K-35 counts
}

// ComplaintTable is complaints by two of their sides, as S3 prints them (CPL-14).
type ComplaintTable struct {
	From    time.Time       `json:"from"`
	To      time.Time       `json:"to"`
	Rows    string          `json:"rows"`
	Columns string          `json:"columns"`
	Cells   []ComplaintCell `json:"cells"`
	Total   int64           `json:"total"`
}

// TableOfComplaints counts every complaint first opened in [from, to), attributed or not, by two of its sides as they were told
// last. With a partner it is that partner's complaints.
func TableOfComplaints(ctx context.Context, conn driver.Conn, from, to time.Time, rows, columns, partner string, zone *time.Location) (*ComplaintTable, error) {
	for param, side := range map[string]string{"rows": rows, "columns": columns} {
		if !slices.Contains(complaintSides(), side) {
			return nil, &Error{Param: param, Detail: fmt.Sprintf("%q: expected one of %s", side, strings.Join(complaintSides(), ", "))}
		}
	}
	if rows == columns {
		return nil, &Error{Param: "columns", Detail: rows + " is the rows' side already"}
	}
	if !from.Before(to) {
		return nil, &Error{Param: "to", Detail: fmt.Sprintf("%s is not after from, %s", to.Format(time.RFC3339), from.Format(time.RFC3339))}
	}
	side := func(name string) string {
		if slices.Contains(complaintDims, name) {
			name = columnOf(name)
		}
		return "argMax(toString(complaints." + name + "), revision)"
	}
	mine := "1"
	if partner != "" {
		mine = "partner = " + quote(partner)
	}
	t := &ComplaintTable{From: from.In(zone), To: to.In(zone), Rows: rows, Columns: columns, Cells: []ComplaintCell{}}
	got, err := conn.Query(ctx, "SELECT r, c, toInt64(count()), toInt64(countIf(NOT without)) FROM (SELECT complaint_id, if(countIf(event = 'opened') > 0, minIf(at, event = 'opened'), min(at)) AS opened, "+
		side(rows)+" AS r, "+side(columns)+" AS c, argMax(toString(complaints.partner_id), revision) AS partner, argMax(unattributed, revision) AS without FROM complaints FINAL GROUP BY complaint_id) "+
		"WHERE opened >= "+instant(from)+" AND opened < "+instant(to)+" AND "+mine+" GROUP BY r, c ORDER BY r, c")
	if err != nil {
		return nil, fmt.Errorf("count complaints: %w", err)
	}
	defer func() { _ = got.Close() }()
	for got.Next() {
		var c ComplaintCell
		if err := got.Scan(&c.Row, &c.Column, &c.Complaints, &c.Attributed); err != nil {
			return nil, fmt.Errorf("count complaints: %w", err)
		}
		t.Cells, t.Total = append(t.Cells, c), t.Total+c.Complaints
	}
	return t, got.Err()
}

// Grid is the table with its totals, for people: the first line is the columns' names, the first column the rows'.
func (t *ComplaintTable) Grid() [][]string {
	var rows, columns []string
	counts, perRow, perColumn := map[[2]string]int64{}, map[string]int64{}, map[string]int64{}
	for _, c := range t.Cells {
		if !slices.Contains(rows, c.Row) {
			rows = append(rows, c.Row)
		}
		if !slices.Contains(columns, c.Column) {
			columns = append(columns, c.Column)
		}
		counts[[2]string{c.Row, c.Column}] += c.Complaints
		perRow[c.Row] += c.Complaints
		perColumn[c.Column] += c.Complaints
	}
	slices.Sort(rows)
	slices.Sort(columns)
	name := func(s string) string {
		if s == "" {
			return "(none)"
		}
		return s
	}
	head := []string{t.Rows}
	for _, c := range columns {
		head = append(head, name(c))
	}
	out := [][]string{append(head, "total")}
	for _, r := range rows {
		line := []string{name(r)}
		for _, c := range columns {
			line = append(line, fmt.Sprint(counts[[2]string{r, c}]))
		}
		out = append(out, append(line, fmt.Sprint(perRow[r])))
	}
	last := []string{"total"}
	for _, c := range columns {
		last = append(last, fmt.Sprint(perColumn[c]))
	}
	return append(out, append(last, fmt.Sprint(t.Total)))
}
