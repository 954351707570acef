package event

import "testing"

func TestOwnership(t *testing.T) {
	gains := func(who string, from int64) *Ownership { return &Ownership{From: from, CustomerId: who} }
	gives := func(who string, from int64) *Ownership { return &Ownership{From: from, ReleasedBy: who} }
	for _, c := range []struct {
		name   string
		events []*Ownership
		at     int64
		want   string
	}{
		{"the first has all time before", []*Ownership{gains("a", 10)}, 1, "a"},
		{"given up", []*Ownership{gains("a", 10), gives("a", 20)}, 20, ""},
		{"not yet given up", []*Ownership{gains("a", 10), gives("a", 20)}, 19, "a"},
		{"given up by another", []*Ownership{gains("a", 10), gives("b", 20)}, 30, "a"},
		{"given up by who had it before", []*Ownership{gains("a", 10), gains("b", 20), gives("a", 30)}, 40, "b"},
		{"given up and got at one moment", []*Ownership{gains("a", 10), gives("a", 20), gains("b", 20)}, 20, "b"},
		{"got and given up at one moment", []*Ownership{gains("a", 10), gains("b", 20), gives("a", 20)}, 20, "b"},
		{"got back at once", []*Ownership{gains("a", 10), gives("a", 10)}, 10, ""},
		{"of no use before anybody had it", []*Ownership{gives("a", 5), gains("b", 10)}, 7, "b"},
		{"late news", []*Ownership{gains("b", 20), gives("a", 15), gains("a", 10)}, 17, ""},
	} {
		var owners []*Ownership
		for _, o := range c.events {
			owners = Own(owners, &Ownership{From: o.From, CustomerId: o.CustomerId, ReleasedBy: o.ReleasedBy})
		}
		if got := OwnerAt(owners, c.at); got != c.want {
			t.Errorf("%s: %q at %d, want %q: %v", c.name, got, c.at, c.want, owners)
		}
	}
}
