package report

import (
	"cmp"
	"slices"
	"time"
)

// Tariff is what partners are paid by (REQUIREMENTS M, S1 P4): of each order a share of its product's monthly fee for some
// months, and an amount for each completed questionnaire. Money is in yuan.
type Tariff struct {
	Fees          map[string]float64 // product -> monthly function fee
	Shares        []float64          // of the fee, by month since the order
	Questionnaire float64            // for each
}

// Sold is how many orders a partner won of a product in a month (YYYY-MM).
type Sold struct {
	Partner, Product, Month string
	Orders                  float64
}

// Settle makes the lines of a month: the orders of this month and of the five before it, each at the share of its age, and
// the questionnaires completed in it. A product without a fee is listed without an amount, so that it is not forgotten.
// Income that was not received (orders cancelled since) is not known here: the lines are before cancellations.
func Settle(t Tariff, month string, sold []Sold, questionnaires map[string]float64) Section {
	s := Section{Title: "Settlement of " + month, Keys: []string{"partner", "for"}, Columns: []string{"ordered in", "orders", "monthly fee", "share", "amount"},
		Note: "Before cancellations: only income that was received is shared (S0 Art. 66)."}
	total := map[string]float64{}
	var lines []Row
	for _, x := range sold {
		age := months(x.Month, month)
		if x.Partner == "" || age < 0 || age >= len(t.Shares) || x.Orders == 0 {
			continue
		}
		share, orders := t.Shares[age], x.Orders
		fee, known := t.Fees[x.Product]
		r := Row{Keys: []string{x.Partner, cmp.Or(x.Product, none)}, Cells: []Cell{{Text: x.Month}, {Show("orders", &orders), &orders}, {Text: "no fee set"}, {Show("ratio", &share), &share}, {Text: "–"}}}
		if known {
			amount := orders * fee * share
			total[x.Partner] += amount
			r.Cells[2], r.Cells[4] = Cell{Show("yuan", &fee), &fee}, Cell{Show("yuan", &amount), &amount}
		}
		lines = append(lines, r)
	}
	for partner, n := range questionnaires {
		if partner == "" || n == 0 {
			continue
		}
		amount, fee := n*t.Questionnaire, t.Questionnaire
		total[partner] += amount
		lines = append(lines, Row{Keys: []string{partner, "questionnaires"}, Cells: []Cell{{Text: month}, {Show("orders", &n), &n}, {Show("yuan", &fee), &fee}, {Text: "–"}, {Show("yuan", &amount), &amount}}})
	}
	for partner, sum := range total {
		lines = append(lines, Row{Keys: []string{partner, "total"}, Total: true, Cells: []Cell{{}, {}, {}, {}, {Show("yuan", &sum), &sum}}})
	}
	slices.SortStableFunc(lines, func(a, b Row) int {
		last := func(r Row) int { return map[bool]int{true: 1}[r.Total] }
		return cmp.Or(cmp.Compare(a.Keys[0], b.Keys[0]), cmp.Compare(last(a), last(b)), cmp.Compare(a.Keys[1], b.Keys[1]), cmp.Compare(a.Cells[0].Text, b.Cells[0].Text))
	})
	s.Rows = lines
	return s
}

// months from one to the other, -1 if one of them is none.
func months(from, to string) int {
	a, err := time.Parse("2006-01", from)
	b, err2 := time.Parse("2006-01", to)
	if err != nil || err2 != nil {
		return -1
	}
	return (b.Year()-a.Year())*12 + int(b.Month()) - int(a.Month())
}
